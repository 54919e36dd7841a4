//! The operator's template, as the task finds it.

use weir_wire::sync::Inbound;

use super::trouble::Source;
use super::{Node, TemplateSeen};
use crate::clock::Moment;
use crate::cores::CoreError;
use crate::loading::Template;

impl Node {
    /// How the operator's template looks now. Returns whether it must be read (again).
    pub(crate) fn template_seen(&mut self, template: Option<Template>) -> bool {
        let seen = template.map_or(TemplateSeen::Missing, TemplateSeen::There);
        let new = core::mem::replace(&mut self.template, seen) != seen;
        self.loading.look_at_template(template, &mut self.books.batch);
        // The old one was put back as it was, modification time and all: no reload will come to take the word back.
        if new && self.loading.has_loaded_template() {
            self.troubles.end(Source::Load);
            self.troubles.end(Source::GatesAlone);
        }
        // What kept it from being read may be mended without a trace in the file.
        new || self.troubles.has(Source::Template)
    }

    /// What clients can connect to, what of the template stands before the gates, and which inbounds take a client's address
    /// from a header.
    pub(crate) fn template_read(&mut self, inbounds: Vec<Inbound>, bypasses: Vec<String>, by_header: Vec<String>) {
        if self.troubles.has(Source::Template) {
            self.troubles.end(Source::Template);
            self.loading.template_is_good();
        }
        self.bypasses = bypasses;
        self.addresses.by_header(by_header);
        if self.inbounds_told.as_ref() != Some(&inbounds) {
            self.inbounds = Some(inbounds);
        }
    }

    /// The template cannot be used: the running core and its file stay as they are.
    pub(crate) fn template_refused(&mut self, error: &CoreError, now: Moment) {
        self.troubles.meet(Source::Template, error.to_string(), now);
    }
}
