//! Apps that import a subscription by one tap: each has a URL scheme of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::percent::encode;

/// What a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Phones and televisions.
    Android,
    /// iPhones and iPads.
    Ios,
    /// Windows.
    Windows,
    /// Macs.
    Macos,
    /// Linux.
    Linux,
}

impl Platform {
    /// All of them, the most frequent first.
    pub const ALL: [Self; 5] = [Self::Android, Self::Ios, Self::Windows, Self::Macos, Self::Linux];

    /// As its makers write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Android => "Android",
            Self::Ios => "iPhone · iPad",
            Self::Windows => "Windows",
            Self::Macos => "macOS",
            Self::Linux => "Linux",
        }
    }

    /// The one that a browser's `User-Agent` tells of, if it does. An iPad that asks for desktop pages calls itself a Mac.
    #[must_use]
    pub fn of(user_agent: &str) -> Option<Self> {
        let says = |word: &str| user_agent.contains(word);
        if says("Android") {
            Some(Self::Android)
        } else if says("iPhone") || says("iPad") || says("iPod") {
            Some(Self::Ios)
        } else if says("Windows") {
            Some(Self::Windows)
        } else if says("Macintosh") {
            Some(Self::Macos)
        } else if says("Linux") || says("CrOS") {
            Some(Self::Linux)
        } else {
            None
        }
    }
}

/// How an app's link carries the subscription's address.
#[derive(Clone, Copy)]
enum Form {
    /// As it stands, behind this.
    Plain(&'static str),
    /// The same, and `#` with the title.
    PlainNamed(&'static str),
    /// Percent-encoded as a parameter, with the title as `name`.
    Named(&'static str),
    /// Percent-encoded as a parameter, and `#` with the title.
    Fragment(&'static str),
    /// In base64, and `#` with the title.
    Base64(&'static str),
}

/// An app.
struct App {
    name: &'static str,
    form: Form,
    on: &'static [Platform],
}

use Platform::{Android, Ios, Linux, Macos, Windows};

const APPS: [App; 13] = [
    App { name: "Hiddify", form: Form::PlainNamed("hiddify://import/"), on: &Platform::ALL },
    App { name: "Happ", form: Form::Plain("happ://add/"), on: &[Android, Ios, Windows, Macos] },
    App { name: "v2rayNG", form: Form::Fragment("v2rayng://install-sub?url="), on: &[Android] },
    App { name: "sing-box", form: Form::Fragment("sing-box://import-remote-profile?url="), on: &[Android, Ios, Macos] },
    App { name: "FlClash", form: Form::Named("flclash://install-config?url="), on: &[Android, Windows, Macos, Linux] },
    App { name: "Clash Meta", form: Form::Named("clashmeta://install-config?url="), on: &[Android] },
    App { name: "NekoBox", form: Form::Named("sn://subscription?url="), on: &[Android] },
    App { name: "Clash Verge", form: Form::Named("clash://install-config?url="), on: &[Windows, Macos, Linux] },
    App { name: "Karing", form: Form::Named("karing://install-config?url="), on: &Platform::ALL },
    App { name: "Streisand", form: Form::PlainNamed("streisand://import/"), on: &[Ios] },
    App { name: "Shadowrocket", form: Form::Base64("sub://"), on: &[Ios] },
    App { name: "Stash", form: Form::Named("stash://install-config?url="), on: &[Ios, Macos] },
    App { name: "v2RayTun", form: Form::Plain("v2raytun://import/"), on: &[Android, Ios] },
];

/// One tap that imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The app.
    pub app: &'static str,
    /// What opens it.
    pub url: String,
}

/// The apps of a platform, with links that import the subscription at `url` under this title.
#[must_use]
pub fn imports(platform: Platform, url: &str, title: &str) -> Vec<Import> {
    let link = |form: Form| match form {
        Form::Plain(begin) => format!("{begin}{url}"),
        Form::PlainNamed(begin) => format!("{begin}{url}#{}", encode(title)),
        Form::Named(begin) => format!("{begin}{}&name={}", encode(url), encode(title)),
        Form::Fragment(begin) => format!("{begin}{}#{}", encode(url), encode(title)),
        Form::Base64(begin) => format!("{begin}{}#{}", STANDARD.encode(url), encode(title)),
    };
    let here = APPS.iter().filter(|app| app.on.contains(&platform));
    here.map(|app| Import { app: app.name, url: link(app.form) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.com/sub/AbC_-1";

    #[test]
    fn each_app_gets_the_address_in_its_own_form() {
        let all: Vec<Import> =
            Platform::ALL.into_iter().flat_map(|platform| imports(platform, URL, "My VPN")).collect();
        let of = |app: &str| all.iter().find(|import| import.app == app).unwrap().url.as_str();
        assert_eq!(of("Hiddify"), "hiddify://import/https://example.com/sub/AbC_-1#My%20VPN");
        assert_eq!(of("Happ"), "happ://add/https://example.com/sub/AbC_-1");
        assert_eq!(of("v2rayNG"), "v2rayng://install-sub?url=https%3A%2F%2Fexample.com%2Fsub%2FAbC_-1#My%20VPN");
        assert_eq!(
            of("Clash Verge"),
            "clash://install-config?url=https%3A%2F%2Fexample.com%2Fsub%2FAbC_-1&name=My%20VPN"
        );
        assert_eq!(of("Shadowrocket"), "sub://aHR0cHM6Ly9leGFtcGxlLmNvbS9zdWIvQWJDXy0x#My%20VPN");
    }

    #[test]
    fn every_platform_has_apps_and_no_app_twice() {
        for platform in Platform::ALL {
            let mut names: Vec<&str> = imports(platform, URL, "x").iter().map(|import| import.app).collect();
            assert!(names.len() >= 4, "{platform:?}");
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{platform:?}");
        }
    }

    #[test]
    fn a_browser_tells_its_platform() {
        for (agent, platform) in [
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36", Some(Platform::Android)),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)", Some(Platform::Ios)),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", Some(Platform::Windows)),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", Some(Platform::Macos)),
            ("Mozilla/5.0 (X11; Linux x86_64)", Some(Platform::Linux)),
            ("Mozilla/5.0", None),
        ] {
            assert_eq!(Platform::of(agent), platform, "{agent}");
        }
    }
}
