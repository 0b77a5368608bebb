//! Lists the migrations, so that adding one is adding a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder =
        Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../../migrations/sqlite");
    let folder = folder.canonicalize()?;
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "sql"));
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let named = stem.split_once('_').and_then(|(at, what)| Some((at.parse::<i64>().ok()?, what)));
        let Some((version, what)) = named else {
            return Err(io::Error::other(format!("{} must be named YYYYMMDDhhmmss_what.sql", file.display())));
        };
        writeln!(list, "({version}, {what:?}, include_str!({:?})),", file.display().to_string())
            .map_err(io::Error::other)?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("migrations.rs"), list)?;
    tell_cargo(&folder);
    Ok(())
}

fn tell_cargo(folder: &Path) {
    println!("cargo::rerun-if-changed={}", folder.display());
}
