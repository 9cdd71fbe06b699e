use std::path::Component;

use proptest::prelude::*;

use super::*;

fn unix(name: &str) -> String {
    SafePath::for_platform([name], Platform::Unix).to_string()
}

fn windows(name: &str) -> String {
    SafePath::for_platform([name], Platform::Windows).to_string()
}

#[test]
fn what_could_leave_the_base_or_deceive_is_replaced() {
    for (name, safe) in [
        ("a/b", "a_b"),
        ("a\\b", "a_b"),
        ("..\\..\\x", ".._.._x"),
        ("\0", "_"),
        ("new\nline\u{85}", "new_line_"),
        ("C:", "C_"),
        ("c:\\boot.ini", "c__boot.ini"),
        ("exe.\u{202e}txt", "exe.txt"),
        (".\u{202e}.", "_"),
        ("...", "_"),
        (" ", "_"),
        ("\u{202e}", "_"),
        ("..", "_"),
        ("", "_"),
    ] {
        assert_eq!(unix(name), safe, "{name:?}");
        assert_eq!(windows(name), windows(safe), "{name:?}");
    }
}

#[test]
fn harmless_names_stay_as_they_are() {
    for name in [
        "R.E.M.",
        "What? (live)",
        ".hidden",
        "e\u{301}",
        "日本語",
        "con",
        "12:30",
        "-rf",
        "~",
    ] {
        assert_eq!(unix(name), name);
    }
}

#[test]
fn windows_rules() {
    for (name, safe) in [
        ("R.E.M.", "R.E.M"),
        ("What? \"x\" <y>|*:", "What_ _x_ _y____"),
        ("con", "_con"),
        ("Con .txt", "_Con .txt"),
        ("lpt¹.x", "_lpt¹.x"),
        ("COM10", "COM10"),
        ("console", "console"),
        ("x. . .", "x"),
    ] {
        assert_eq!(windows(name), safe, "{name:?}");
    }
}

#[test]
fn a_cut_that_uncovers_a_device_name_is_repaired() {
    let name = format!("CON{}x.txt", " ".repeat(300));
    assert!(windows(&name).starts_with("_CON"), "{:?}", windows(&name));
}

#[test]
fn long_names_keep_their_ending_and_whole_characters() {
    let name = unix(&format!("{}.flac", "é".repeat(200)));
    assert!(name.len() <= MAX_NAME_BYTES && name.len() >= MAX_NAME_BYTES - 1);
    assert!(name.ends_with("é.flac"));
    assert_eq!(unix(&format!("a.{}", "é".repeat(200))).len(), 254);
}

#[test]
fn deep_paths_lose_inner_folders_and_keep_their_name() {
    let deep = SafePath::new(std::iter::repeat_n("d", 5_000).chain(["name"]));
    assert_eq!(deep.components().count(), SafePath::MAX_DEPTH);
    assert_eq!(deep.file_name(), "name");
    let long = "x".repeat(255);
    let wide = SafePath::new(std::iter::repeat_n(&*long, 60).chain(["name"]));
    assert!(wide.as_str().len() <= SafePath::MAX_BYTES);
    assert!(wide.as_str().starts_with(&long) && wide.file_name() == "name");
}

#[test]
fn links_lead_from_their_folder() {
    let link = SafePath::new(["t", "a", "b", "link"]);
    for (target, text) in [
        (&["t", "a", "b", "f"][..], "f"),
        (&["t", "a"], ".."),
        (&["t", "a", "b"], "."),
        (&["t", "c", "f"], "../../c/f"),
    ] {
        assert_eq!(SafePath::new(target).from_link(&link), text);
    }
    assert_eq!(
        SafePath::new(["f"]).from_link(&SafePath::new(["link"])),
        "f"
    );
}

/// Names made mostly of what is dangerous.
fn hostile_name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("..".to_owned()),
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("\0".to_owned()),
        Just("C:".to_owned()),
        Just("CON".to_owned()),
        Just(". ".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("é".repeat(130)),
        Just(".x".to_owned()),
        Just(" ".repeat(200)),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_path_stays_inside_and_is_its_own_safe_path(names in prop::collection::vec(hostile_name(), 0..80), on_windows: bool) {
        let platform = if on_windows { Platform::Windows } else { Platform::Unix };
        let path = SafePath::for_platform(&names, platform);
        prop_assert!(path.as_str().len() <= SafePath::MAX_BYTES);
        prop_assert!(path.components().count() <= SafePath::MAX_DEPTH);
        for name in path.components() {
            prop_assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES);
            prop_assert!(!name.contains(['/', '\\', '\0']) && !name.chars().any(char::is_control));
        }
        let joined = path.under("/base");
        prop_assert!(joined.starts_with("/base") && joined != Path::new("/base"));
        prop_assert!(joined.components().skip(1).all(|c| matches!(c, Component::Normal(_))));

        let again = SafePath::for_platform(path.components(), platform);
        prop_assert_eq!(again, path);
    }
}
