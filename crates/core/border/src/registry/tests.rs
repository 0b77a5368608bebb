use super::*;

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

fn openai(id: &str) -> Arc<List> {
    find(embedded(), id).expect("the list is built in").clone()
}

/// The first problem of a list with these places and exceptions.
fn problem(places: &str, rest: &str) -> String {
    let text = format!(
        "provider = \"x\"\n[[list]]\nid = \"a\"\nas_of = \"2024-01-01\"\nsource = \"s\"\nconfidence = \"good\"\nplaces = {places}\n{rest}\n"
    );
    Registry::parse(&text).err().and_then(|problems| problems.first().map(ToString::to_string)).unwrap_or_default()
}

#[test]
fn the_lists_of_2023_and_2024_differ_by_25_places() {
    let diff = diff(&openai("openai-2023"), &openai("openai-2024"));
    let added: Vec<_> = diff.added.iter().map(ToString::to_string).collect();
    let said = "AF BH BI CD CF CM EG ER ET GQ KH LA LY SA SD SO SS SZ TD TJ TM UZ VN YE ZW";
    assert_eq!(added.join(" "), said);
    assert!(diff.removed.is_empty() && !diff.is_steep());
    assert_eq!((openai("openai-2023").places.len(), openai("openai-2024").places.len()), (163, 188));
}

#[test]
fn neighbours_names_and_parents_decide_nothing() {
    let list = openai("openai-2024");
    for yes in ["TW", "NE", "NG", "GN", "GQ", "PG", "CI", "PY", "UA", "SA", "US", "SG"] {
        assert_eq!(list.serves(place(yes)), Served::Yes, "{yes}");
    }
    for no in ["CN", "HK", "MO", "RU", "BY", "IR", "KP", "CU", "SY", "VE", "XK", "GL", "PR", "RE", "GI", "MP"] {
        assert_eq!(list.serves(place(no)), Served::No, "{no}");
    }
    for part in ["UA-43", "UA-40", "UA-14", "UA-09"] {
        assert_eq!(list.serves(place(part)), Served::Excepted, "{part}");
    }
    assert_eq!(list.serves(place("UA-30")), Served::Yes, "another part of a listed country");
}

#[test]
fn an_incomplete_list_is_never_the_newest() {
    let registry = embedded().iter().find(|registry| registry.provider == "openai").unwrap();
    assert_eq!(registry.newest().unwrap().id, "openai-2026-08");
    assert_eq!(registry.at("2024-07-09".parse().unwrap()).unwrap().id, "openai-2024");
    assert!(registry.at("2020-01-01".parse().unwrap()).is_none());
    assert_eq!(registry.reported.first().unwrap().count, 161);
}

#[test]
fn territories_follow_a_parent_only_if_listed_so() {
    let text = "provider = \"x\"\nterritories = \"follow_parent\"\n[[list]]\nid = \"a\"\nas_of = \"2024-01-01\"\n\
                source = \"s\"\nconfidence = \"good\"\nplaces = [\"FR\"]\n";
    let list = Registry::parse(text).unwrap().lists.remove(0);
    assert_eq!(list.serves(place("RE")), Served::Yes);
    assert_eq!(list.serves(place("HK")), Served::No);
    assert_eq!(openai("openai-2024").serves(place("RE")), Served::No, "France is listed and Réunion is not");
}

#[test]
fn a_slip_in_a_list_is_an_error_with_its_place() {
    assert_eq!(problem(r#"["FR", "DE"]"#, ""), "");
    for (places, rest, said) in [
        (r#"["FR", "MI"]"#, "", "line 7, column 17: there is no country or territory MI"),
        (r#"["FR", "FR"]"#, "", "FR is there twice"),
        (r#"["fr"]"#, "", "two capital letters"),
        (r#"["France"]"#, "", "two capital letters"),
        (r#"["UA-99"]"#, "", "there is no country or territory UA-99"),
        ("[]", "", "nobody would be served"),
        (r#"["FR"]"#, "except = [\"UA-43\"]", "does not serve its country"),
        (r#"["FR"]"#, "excpet = []", "did you mean `except`"),
    ] {
        assert!(problem(places, rest).contains(said), "{places} {rest}: {}", problem(places, rest));
    }
}
