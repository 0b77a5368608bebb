use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Command;
use std::time::Instant;

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(30);

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()));
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"))
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_file_at_the_bound_is_read() {
    let folder = folder();
    let path = folder.path().join("a");
    write(&path, b"12345");
    assert_eq!(read_text(&path, Bounds::regular(5, LATE)).ok().as_deref(), Some("12345"));
    assert!(matches!(read(&path, Bounds::regular(4, LATE)), Err(FileError::TooLarge(4))));
    assert_eq!(read_start(&path, Bounds::regular(2, LATE)).ok(), Some(b"12".to_vec()));
}

#[test]
fn bytes_that_are_no_text_are_an_error() {
    let folder = folder();
    let path = folder.path().join("a");
    write(&path, b"\xff\xfe");
    assert!(matches!(read_text(&path, Bounds::regular(9, LATE)), Err(FileError::NotText)));
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = folder();
    let link = folder.path().join("zero");
    assert!(std::os::unix::fs::symlink("/dev/zero", &link).is_ok());
    let pipe = fifo(folder.path());
    let began = Instant::now();
    for (path, kind) in [(link.as_path(), "a device"), (&pipe, "a named pipe"), (folder.path(), "a folder")] {
        match read(path, Bounds::regular(u64::MAX, LATE)) {
            Err(FileError::NotRegular(found)) => assert_eq!(found, kind),
            other => panic!("{other:?}"),
        }
        assert!(version(path, LATE).is_err());
    }
    assert!(began.elapsed() < LATE);
}

#[test]
fn an_endless_device_ends_at_the_bound() {
    let found = read(Path::new("/dev/zero"), Bounds::any_kind(1_000_000, LATE));
    assert!(matches!(found, Err(FileError::TooLarge(1_000_000))));
}

#[test]
fn a_pipe_without_a_writer_is_given_up() {
    let folder = folder();
    let pipe = fifo(folder.path());
    let bounds = Bounds::any_kind(100, SOON);
    let began = Instant::now();
    assert!(matches!(read(&pipe, bounds), Err(FileError::NoAnswer(_))));
    assert!(began.elapsed() < LATE);
    for _ in 0..3 {
        assert!(matches!(read(&pipe, bounds), Err(FileError::StillWaiting)), "no second thread waits");
    }
    // The first thread takes the writer's bytes and comes back; after that the path is asked again.
    write(&pipe, b"late");
    let until = Instant::now() + LATE;
    while matches!(read(&pipe, bounds), Err(FileError::StillWaiting)) {
        assert!(Instant::now() < until, "the path stays stuck");
        std::thread::yield_now();
    }
}

#[test]
fn a_pipe_with_a_writer_is_read_to_its_end() {
    let folder = folder();
    let pipe = fifo(folder.path());
    let to = pipe.clone();
    let writer = std::thread::spawn(move || {
        let mut file = File::options().write(true).open(to)?;
        file.write_all(b"two ")?;
        file.write_all(b"parts")
    });
    assert_eq!(read_text(&pipe, Bounds::any_kind(100, LATE)).ok().as_deref(), Some("two parts"));
    assert!(writer.join().is_ok_and(|written| written.is_ok()));
}

#[test]
fn a_missing_file_is_told_apart() {
    let folder = folder();
    let path = folder.path().join("none");
    let error = read(&path, Bounds::regular(1, LATE)).err();
    assert!(error.is_some_and(|error| error.is_missing() && !error.is_no_answer()));
    assert!(matches!(is_folder(&path, LATE), Ok(false)));
}

#[test]
fn a_folder_is_listed_in_order() {
    let folder = folder();
    for name in ["b", "a", "c"] {
        write(&folder.path().join(name), b"");
    }
    let names: Vec<_> = list(folder.path(), LATE).unwrap_or_default();
    let names: Vec<_> = names.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(matches!(is_folder(folder.path(), LATE), Ok(true)));
}

#[test]
fn a_rewritten_file_has_another_version() {
    let folder = folder();
    let path = folder.path().join("a");
    write(&path, b"1");
    let before = version(&path, LATE).ok();
    assert!(before.is_some() && before == version(&path, LATE).ok());
    write(&path, b"22");
    assert_ne!(before, version(&path, LATE).ok());
}

#[test]
fn a_line_beyond_the_bound_is_an_error() {
    let bounded = |text: &'static str| {
        let lines = LineBound::new(BufReader::with_capacity(4, text.as_bytes()), 8).lines();
        lines.map(|line| line.map_err(|error| error.to_string())).collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(bounded("12345678\nab\n\nc"), Ok(vec!["12345678".into(), "ab".into(), String::new(), "c".into()]));
    assert!(bounded("ab\n123456789012345\n").is_err_and(|said| said.contains("more than 8 bytes")));
    let endless = LineBound::new(BufReader::new(std::io::repeat(b'a')), 8);
    assert_eq!(endless.lines().count(), 1, "the error, and then the end");
}
