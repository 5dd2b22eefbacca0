//! Hands the version of the library to the program: the one that Cargo.lock pins.

fn main() {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = lock
        .split("[[package]]")
        .find(|p| p.contains("name = \"webrtc\"\n"))
        .and_then(|p| p.split("version = \"").nth(1)?.split('"').next().map(str::to_owned));
    println!("cargo:rustc-env=WEBRTC_VERSION={}", version.unwrap_or("unknown".into()));
    println!("cargo:rerun-if-changed=Cargo.lock");
}
