//! Converts the price books from TOML, in which people write them, to JSON, for which the Worker has
//! a parser anyway.

use std::{env, error::Error, fs, path::Path};

const FOLDER: &str = "../../fixtures/prices";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let out = env::var("OUT_DIR")?;
    for entry in fs::read_dir(FOLDER)? {
        let path = entry?.path();
        let name = path.file_stem().ok_or("a book without a name")?;
        let table: toml::Table = toml::from_str(&fs::read_to_string(&path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let json = Path::new(&out).join(name).with_extension("json");
        fs::write(json, serde_json::to_string(&table)?)?;
    }
    Ok(())
}
