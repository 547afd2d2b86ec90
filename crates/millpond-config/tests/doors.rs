//! The settings of single doors: the forward proxy, interception, tapes.

use millpond_config::{Builder, Config, TapeFormat, show};

fn file(text: &str) -> Builder {
    Config::builder().file_text("a.toml", text)
}

fn said(text: &str) -> String {
    file(text).build().expect_err("something is wrong").to_string()
}

fn warned(text: &str) -> Vec<String> {
    file(text)
        .build()
        .unwrap_or_else(|errors| panic!("{errors}"))
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn metadata_addresses_are_refused_unless_the_list_says_otherwise() {
    let forward = Config::default().forward;
    assert_eq!(forward.refuse_addresses.len(), 6, "each of them is a range");
    for address in
        ["169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
    {
        let address = address.parse().unwrap();
        assert!(forward.refuse_addresses.iter().any(|range| range.contains(address)), "{address}");
    }
    assert!(!forward.private_addresses && !forward.open_to_all && forward.allow.is_empty());
    let changed =
        file("forward.refuse_addresses = []\nforward.tunnel_ports = [443, 8443]").build().unwrap().config;
    assert!(changed.forward.refuse_addresses.is_empty());
    assert_eq!(changed.forward.tunnel_ports, [443, 8443]);
}

#[test]
fn mistakes_of_the_doors() {
    let text = r#"
[forward]
allow = ["https://a.example"]
refuse_addresses = ["10.0.0.0/33"]
tunnel_ports = [0, 65536, "https"]
[intercept]
hosts = ["a.example", "B.example"]
tunnel = ["b.example"]
[tape]
mode = "reply"
format = "pcap"
miss_status = 200
[tape.match]
fields = [""]
[tape.redact]
fields = ["X Y"]
"#;
    let expected = r#"a.toml:3:10: `forward.allow.0` is not a host: "https://a.example"
  help: write the host without its scheme and port
a.toml:4:21: `forward.refuse_addresses.0` is not an IP address or range: "10.0.0.0/33"
  help: write an address such as "192.0.2.7" or a range such as "10.0.0.0/8" or "fd00::/8"
a.toml:5:17: `forward.tunnel_ports.0` must be a whole number from 1 to 65535, not 0
a.toml:5:20: `forward.tunnel_ports.1` must be a whole number from 1 to 65535, not 65536
a.toml:5:27: `forward.tunnel_ports.2` must be a whole number from 1 to 65535, not text
  help: write the number without quotes
a.toml:8:11: "B.example" stands in `intercept.hosts` too, at a.toml:7:23
  help: remove it from `intercept.hosts` to leave its connections closed
a.toml:10:8: `tape.mode` must be "read_only", "write_only", "read_write" or "read_only_fail_on_miss", not "reply"
a.toml:11:10: `tape.format` must be "mitm", "json", "har" or "native", not "pcap"
a.toml:12:15: `tape.miss_status` must be a whole number from 400 to 599, not 200
a.toml:14:11: `tape.match.fields.0` is empty
  help: write something, or leave the setting out
a.toml:16:11: `tape.redact.fields.0` is not a field name: "X Y"
  help: write a name such as "X-Team", without the colon"#;
    assert_eq!(said(text), expected);
}

#[test]
fn a_recording_needs_a_directory_and_a_replay_does_not() {
    assert_eq!(
        said("[tape]\nmode = \"read_write\"\nread_dir = \"old\"\n"),
        "a.toml:3:12: `tape.mode` is \"read_write\", and no directory is named to record to\n  \
         help: set `tape.dir` (--tape DIR)"
    );
    assert_eq!(warned("[tape]\nmode = \"read_only\"\nread_dir = \"old\"\n"), [""; 0]);
    assert_eq!(warned("[tape]\nread_dir = \"old\"\n"), [""; 0], "the door decides");
}

#[test]
fn what_has_no_effect_is_named() {
    assert_eq!(
        warned(
            "[tape]\nmode = \"write_only\"\nread_dir = \"old\"\ndir = \"new\"\n[intercept]\nall = true\nhosts = [\"a.example\"]\n"
        ),
        [
            "`intercept.hosts` (a.toml:7:9) has no effect: `intercept.all` is true",
            "`tape.read_dir` (a.toml:3:12) has no effect: `tape.mode` is \"write_only\", and no tape answers",
        ]
    );
    assert_eq!(warned("preset = \"pip\"\n[intercept]\nall = true\ntunnel = [\"a.example\"]\n"), [""; 0]);
}

#[test]
fn a_tilde_is_the_home_directory_where_one_is_known() {
    let text = "cache_dir = \"~/cache\"\nupstream_ca = \"/a/~/b\"\n[intercept]\nca_dir = \"~/.mitmproxy\"\n[tape]\ndir = \"~\"\n";
    let resolved =
        file(text).with_env_from([("HOME", "/home/me/")]).set("access_log.file", "~bob/log").build().unwrap();
    let config = &resolved.config;
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().unwrap().display().to_string();
    assert_eq!(path(&config.intercept.ca_dir), "/home/me/.mitmproxy");
    assert_eq!(path(&config.cache_dir), "/home/me/cache");
    assert_eq!(path(&config.tape.dir), "/home/me");
    assert_eq!(path(&config.upstream_ca), "/a/~/b", "only at the beginning");
    assert_eq!(path(&config.access_log.file), "~bob/log", "another user's is not known");
    assert_eq!(resolved.origin_of("intercept.ca_dir").unwrap().to_string(), "a.toml:4:10");
    for home in [None, Some("relative")] {
        let variables: Vec<(&str, &str)> = home.map(|home| ("HOME", home)).into_iter().collect();
        let errors =
            file("intercept.ca_dir = \"~/.mitmproxy\"").with_env_from(variables).build().unwrap_err();
        assert_eq!(
            errors.to_string(),
            "a.toml:1:20: `intercept.ca_dir` begins with `~`, and no home is known\n  \
             help: write the whole path; where the environment is read, HOME names the home"
        );
    }
}

#[test]
fn what_is_shown_of_the_doors_says_where_it_came_from_and_can_be_read_again() {
    let text = "[forward]\nallow = [\"*.example.com\"]\ntunnel_ports = [443]\n[tape]\nformat = \"native\"\nmatch.ignore_query = [\"t\"]\n";
    let resolved = file(text).set_flag("--intercept-all", "intercept.all", true).build().unwrap();
    let shown = show(&resolved, true);
    for line in [
        "allow = [\"*.example.com\"]  # a.toml:2:9",
        "tunnel_ports = [443]  # a.toml:3:16",
        "open_to_all = false  # default",
        "all = true  # command line --intercept-all",
        "format = \"native\"  # a.toml:5:10",
        "[tape.match]",
        "ignore_query = [\"t\"]  # a.toml:6:22",
        "enabled = true  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let again = file(&show(&resolved, false)).build().unwrap().config;
    assert_eq!(again, resolved.config);
    assert_eq!(again.tape.format, TapeFormat::Mitm);
}
