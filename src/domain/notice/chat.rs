//! Messages of a chat, which are short: events share one while they fit, and of a text that is too long by itself the first lines are told.

/// UTF-16 units of a message; Telegram takes as many.
const MOST: usize = 4_096;
/// Units of a line in a text that is too long: no line takes the place of all others.
const LINE: usize = 1_500;
/// Between two texts.
const GAP: &str = "\n\n";

/// How many of these texts, counted from the first, go into one message: one at least.
#[must_use]
pub fn fitting(texts: impl Iterator<Item = String>) -> usize {
    let ends = texts.scan(0_usize, |end, text| {
        *end = end.saturating_add(units(&text));
        let fits = *end <= MOST;
        *end = end.saturating_add(GAP.len());
        fits.then_some(())
    });
    ends.count().max(1)
}

/// The message of these texts. Where that is too long, its last line is what `left_out` says of so many lines.
#[must_use]
pub fn message(texts: &[String], left_out: impl Fn(usize) -> String) -> String {
    let whole = texts.join(GAP);
    if units(&whole) <= MOST {
        return whole;
    }
    let mut left = whole.lines().count();
    let mut room = MOST.saturating_sub(units(&left_out(left)));
    let mut message = String::new();
    for line in whole.lines().map(shortened) {
        let Some(rest) = room.checked_sub(units(&line).saturating_add(1)) else { break };
        room = rest;
        left = left.saturating_sub(1);
        message.push_str(&line);
        message.push('\n');
    }
    if left > 0 {
        message.push_str(&left_out(left));
    }
    message
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A line with an ellipsis for what is too much of it.
fn shortened(line: &str) -> String {
    if units(line) <= LINE {
        return line.to_owned();
    }
    let ends = line.chars().scan(0_usize, |end, letter| {
        *end = end.saturating_add(letter.len_utf16());
        (*end < LINE).then_some(letter)
    });
    ends.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(lines: usize) -> String {
        format!("{lines} more")
    }

    fn texts(lengths: &[usize]) -> Vec<String> {
        lengths.iter().map(|length| "x".repeat(*length)).collect()
    }

    fn fitting_of(lengths: &[usize]) -> usize {
        fitting(texts(lengths).into_iter())
    }

    #[test]
    fn texts_share_a_message_while_they_fit() {
        assert_eq!(fitting_of(&[10, 10, 10]), 3);
        assert_eq!(fitting_of(&[2_047, 2_047, 1]), 2, "and two line ends between them");
        assert_eq!(fitting_of(&[2_047, 2_048]), 1);
        assert_eq!(fitting_of(&[4_096, 1]), 1);
        assert_eq!(fitting_of(&[5_000, 1]), 1, "it will not be shorter later");
        assert_eq!(fitting_of(&[1, 5_000, 1]), 1, "nothing is taken past one that does not fit");
        assert_eq!(fitting(["😀".repeat(1_024), "😀".repeat(1_024)].into_iter()), 1, "units of UTF-16 count");
        let two = texts(&[2_047, 2_047]);
        assert_eq!(message(&two, left_out), two.join("\n\n"), "what fits is told whole");
    }

    #[test]
    fn of_a_text_that_is_too_long_the_first_lines_are_told_and_how_many_are_missing() {
        let lines: Vec<String> = (1..=500).map(|line| format!("line {line} 😀")).collect();
        let told = message(&[lines.join("\n")], left_out);
        assert!(units(&told) <= MOST && units(&told) > MOST - 40, "{}", units(&told));
        let told: Vec<&str> = told.lines().collect();
        let (last, first) = told.split_last().unwrap();
        assert_eq!(*first, lines.iter().take(first.len()).collect::<Vec<_>>());
        assert_eq!(*last, format!("{} more", 500 - first.len()));
    }

    #[test]
    fn a_line_that_is_too_long_leaves_room_for_the_others() {
        let told = message(&[format!("title\n{}\nend", "😀".repeat(4_000))], left_out);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines.len() == 3 && lines.first() == Some(&"title") && lines.last() == Some(&"end"), "{lines:?}");
        assert!(units(lines[1]) <= LINE && lines[1].ends_with("😀…"));
    }
}
