//! Lists `vendors/*.toml` into a table of texts, so that a new vendor is a new file and no line of
//! Rust.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../vendors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut table = String::from("&[\n");
    for path in &files {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a profile's name is no UTF-8")?;
        let path = path.canonicalize()?;
        let text = path.to_str().ok_or("the path of the sources is no UTF-8")?;
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(table, "    ({stem:?}, include_str!({text:?})),")?;
    }
    table.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::File::create(Path::new(&out).join("profiles.rs"))?.write_all(table.as_bytes())?;
    Ok(())
}
