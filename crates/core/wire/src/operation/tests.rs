use super::*;

#[test]
fn each_operation_of_openai_has_one_row() {
    for operation in Operation::ALL {
        let rows = TABLE.iter().filter(|spec| spec.operation == *operation).count();
        assert_eq!(rows, usize::from(*operation != Operation::BorderCheck), "{operation}");
    }
}

#[test]
fn no_two_rows_have_the_same_path() {
    let mut paths: Vec<_> = TABLE.iter().map(|spec| spec.path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), TABLE.len());
}

#[test]
fn profiles_may_name_what_is_served() {
    assert_eq!(SERVED_NAMES, ["chat", "embeddings", "models"]);
    assert_eq!(READ_NAMES, ["chat", "embeddings"]);
}

#[test]
fn served_paths_are_found_by_method() {
    assert_eq!(find("POST", "/v1/chat/completions"), Found::Operation(Operation::ChatCompletions));
    assert_eq!(find("POST", "/v1/embeddings"), Found::Operation(Operation::Embeddings));
    assert_eq!(find("GET", "/v1/models"), Found::Operation(Operation::Models));
    assert_eq!(find("GET", "/v1/models/a/b"), Found::Resource(Operation::Models, "a/b"));
}

#[test]
fn another_method_of_a_served_path_is_wrong() {
    for (method, path, allowed) in [
        ("PUT", "/v1/chat/completions", Method::Post),
        ("HEAD", "/v1/chat/completions", Method::Post),
        ("GET", "/v1/embeddings", Method::Post),
        ("DELETE", "/v1/models", Method::Get),
    ] {
        assert_eq!(find(method, path), Found::WrongMethod(allowed), "{method} {path}");
    }
}

#[test]
fn what_only_openai_serves_is_not_supported() {
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("GET", "/v1/chat/completions/id"),
        ("POST", "/v1/embeddings/x"),
        ("DELETE", "/v1/models/m"),
        ("POST", "/v1/responses"),
        ("GET", "/v1/files/file-1"),
        ("GET", "/v1/chat"),
        ("POST", "/v1/audio"),
        ("POST", "/v1/vector_stores"),
    ] {
        assert_eq!(find(method, path), Found::NotSupported, "{method} {path}");
    }
}

#[test]
fn other_paths_are_unknown() {
    for path in
        ["/", "/v1", "/v1/", "/v1/models/", "/v1/chat/completions/", "/v1/x", "/chat/completions", "/V1/embeddings"]
    {
        assert_eq!(find("POST", path), Found::Unknown, "{path}");
    }
}
