//! Chromium, headless: a page with a style, a script and what the script fetches, recorded and replayed.

use super::place::Place;
use anyhow::{Result, ensure};

pub fn run(place: &mut Place) -> Result<()> {
    show(place, "record")?;
    ensure!(place.asked_for("depth.json")? == 1, "the script did not run");
    place.stop_origin()?;
    show(place, "replay")
}

/// The browser trusts what is in its user's database, and sends even what is on loopback through the proxy.
const BROWSER: &str = r#"
set -e
database="$HOME/.pki/nssdb"
if [ ! -e "$database" ]; then
    mkdir -p "$database"
    certutil -d "sql:$database" -N --empty-password
fi
certutil -d "sql:$database" -A -t C,, -n millpond -i "$NODE_EXTRA_CA_CERTS"
exec chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$1" \
    --proxy-server="$HTTPS_PROXY" --proxy-bypass-list='<-loopback>' \
    --virtual-time-budget=10000 --dump-dom "$2"
"#;

fn show(place: &Place, command: &str) -> Result<()> {
    let (url, tape) = (format!("{}/page.html", place.https()), place.path("tape"));
    let profile = place.path(&format!("profile-{command}"));
    let page =
        place.around(command, &["--tape", &tape], &["sh", "-c", BROWSER, "browser", &profile, &url])?;
    ensure!(page.contains("depth 3"), "{command}: the page is not what it should be: {page}");
    Ok(())
}
