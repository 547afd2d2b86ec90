//! Which layer wins, and what each value's origin is said to be.

use millpond_config::{Builder, Config, Resolved, Ttl, show};
use std::time::Duration;

const PATH: &str = "policy.default_ttl";

/// A layer that sets the default lifetime: how it is put in, the value it has, and the origin it must be given.
struct Layer {
    apply: fn(Builder) -> Builder,
    value: Ttl,
    origin: &'static str,
}

const fn secs(secs: u64) -> Ttl {
    Ttl::For(Duration::from_secs(secs))
}

/// From the strongest to the weakest.
const LAYERS: [Layer; 6] = [
    Layer {
        apply: |builder| builder.set_flag("--default-ttl", PATH, "1s"),
        value: secs(1),
        origin: "command line --default-ttl",
    },
    Layer {
        apply: |builder| builder.with_env_from([("MILLPOND_POLICY__DEFAULT_TTL", "2s")]),
        value: secs(2),
        origin: "environment variable MILLPOND_POLICY__DEFAULT_TTL",
    },
    Layer {
        apply: |builder| builder.with_dotenv_text(".env", "# x\nMILLPOND_POLICY__DEFAULT_TTL=3s\n"),
        value: secs(3),
        origin: ".env:2 MILLPOND_POLICY__DEFAULT_TTL",
    },
    Layer {
        apply: |builder| builder.file_text("a.toml", "[policy]\ndefault_ttl = \"4s\"\n"),
        value: secs(4),
        origin: "a.toml:2:15",
    },
    Layer {
        apply: |builder| builder.preset("caching-proxy"),
        value: Ttl::Forever,
        origin: "preset caching-proxy:10",
    },
    Layer { apply: |builder| builder.default(PATH, "6s"), value: secs(6), origin: "default of the program" },
];

fn build(builder: Builder) -> Resolved {
    builder.build().expect("nothing is wrong")
}

fn assert_is(resolved: &Resolved, layer: &Layer) {
    assert_eq!(resolved.config.policy.default_ttl, layer.value, "{}", layer.origin);
    let origin = resolved.origin_of(PATH).expect("it is a setting");
    assert_eq!(origin.to_string(), layer.origin);
}

#[test]
fn each_layer_is_above_every_later_one() {
    for (index, strong) in LAYERS.iter().enumerate() {
        for weak in &LAYERS[index + 1..] {
            // In either order of the calls: the rank is the layer's, not the order's.
            assert_is(&build((weak.apply)((strong.apply)(Config::builder()))), strong);
            assert_is(&build((strong.apply)((weak.apply)(Config::builder()))), strong);
        }
    }
}

#[test]
fn each_layer_is_above_the_built_in_defaults() {
    for layer in &LAYERS {
        assert_is(&build((layer.apply)(Config::builder())), layer);
    }
    let bare = build(Config::builder());
    assert_eq!(bare.config, Config::default());
    assert_eq!(bare.origin_of(PATH).unwrap().to_string(), "default");
}

#[test]
fn all_layers_together_leave_the_command_line_on_top() {
    let all = LAYERS.iter().fold(Config::builder(), |builder, layer| (layer.apply)(builder));
    assert_is(&build(all), &LAYERS[0]);
}

#[test]
fn the_last_of_several_options_wins() {
    let resolved = build(Config::builder().set(PATH, "1s").set(PATH, "9s"));
    assert_eq!(resolved.config.policy.default_ttl, secs(9));
}

#[test]
fn tables_are_put_together_key_by_key_and_lists_replaced() {
    let file =
        "trusted_proxies = [\"10.0.0.1\", \"10.0.0.2\"]\n[policy.negative_ttl]\n404 = \"1s\"\n410 = \"2s\"\n";
    let resolved =
        build(Config::builder().file_text("a.toml", file).with_env_from([
            ("MILLPOND_POLICY__NEGATIVE_TTL__404", "9s"),
            ("MILLPOND_TRUSTED_PROXIES", "::1"),
        ]));
    let shown: Vec<String> =
        resolved.config.policy.negative_ttl.iter().map(|(status, ttl)| format!("{status}={ttl}")).collect();
    assert_eq!(shown, ["404=9s", "410=2s"]);
    assert_eq!(resolved.origin_of("policy.negative_ttl.410").unwrap().to_string(), "a.toml:4:7");
    assert_eq!(resolved.config.trusted_proxies.len(), 1);
}

#[test]
fn a_preset_may_be_chosen_in_any_layer_and_the_strongest_choice_counts() {
    let by_env = Config::builder().with_env_from([("MILLPOND_PRESET", "sidecar")]);
    assert_eq!(build(by_env.clone()).config.workers, 1);
    let by_file = Config::builder().file_text("a.toml", "preset = \"sidecar\"");
    assert_eq!(build(by_file.clone()).config.workers, 1);
    assert_eq!(build(by_file.preset("gateway")).config.preset.as_deref(), Some("gateway"));
    assert_eq!(build(by_env.set("preset", "gateway")).config.workers, 0);
    assert_eq!(build(Config::builder().default("preset", "sidecar")).config.workers, 1);
}

#[test]
fn values_given_by_the_program_may_have_their_own_types() {
    let resolved = build(
        Config::builder()
            .set("workers", 3)
            .set("offline", true)
            .set("policy.heuristic.fraction", 0.5)
            .set("policy.stale_if_error", Ttl::Forever)
            .set("pass.paths", vec!["/a", "/b"])
            .set("memory.size", "1GiB"),
    );
    let config = &resolved.config;
    assert_eq!((config.workers, config.offline, config.pass.paths.len()), (3, true, 2));
    assert_eq!(config.policy.stale_if_error.duration(), Some(Duration::MAX));
    assert_eq!(config.memory.largest_object(), 256 << 20);
}

#[test]
fn variables_hold_text_lists_and_toml() {
    let resolved = build(Config::builder().with_env_from([
        ("MILLPOND_OFFLINE", "Yes"),
        ("MILLPOND_ACCESS_LOG__FORMAT", "JSON"),
        ("MILLPOND_LIMITS__OBJECT", "1048576"),
        ("MILLPOND_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,"),
        ("MILLPOND_POLICY__NEGATIVE_TTL", "{ 404 = '5s' }"),
        ("MILLPOND_ROUTE", "[{ host = 'a.example', origin = 'http://127.0.0.1:1' }]"),
        ("MILLPOND_MEMORY__SIZE", ""),
    ]));
    let config = &resolved.config;
    assert!(config.offline);
    assert_eq!(config.access_log.format, millpond_config::AccessLogFormat::Json);
    assert_eq!(config.limits.object.bytes(), 1 << 20);
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.policy.negative_ttl.len(), 1);
    assert_eq!(config.route[0].origin.authority(), "127.0.0.1:1");
    assert_eq!(config.memory.size.bytes(), 64 << 20, "an empty variable counts as not set");
}

#[test]
fn what_kubernetes_sets_for_a_service_called_millpond_is_let_pass() {
    let resolved = build(Config::builder().with_env_from([
        ("MILLPOND_SERVICE_HOST", "10.0.0.1"),
        ("MILLPOND_SERVICE_PORT", "3000"),
        ("MILLPOND_SERVICE_PORT_HTTP", "3000"),
        ("MILLPOND_PORT", "tcp://10.0.0.1:3000"),
        ("MILLPOND_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("MILLPOND_PORT_3000_TCP_PROTO", "tcp"),
        ("MILLPOND_CACHE_PORT_3000_TCP_ADDR", "10.0.0.1"),
    ]));
    assert_eq!(resolved.config, Config::default());
}

#[test]
fn millpond_config_names_the_file_unless_the_program_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    std::fs::write(&path, "workers = 7\n").unwrap();
    let by_env = Config::builder().with_env_from([("MILLPOND_CONFIG", path.to_str().unwrap())]);
    assert_eq!(build(by_env.clone()).config.workers, 7);
    assert_eq!(build(by_env.file_text("b.toml", "")).config.workers, 0);
    assert_eq!(build(Config::builder().file(&path)).config.workers, 7);
}

#[test]
fn origins_are_known_for_settings_and_for_nothing_else() {
    let resolved = build(Config::builder().set("workers", 2));
    assert_eq!(resolved.origin_of("workers").unwrap().to_string(), "set by the program (workers)");
    assert_eq!(resolved.origin_of("upstream_ca").unwrap().to_string(), "default");
    assert_eq!(resolved.origin_of("pass.paths").unwrap().to_string(), "default");
    assert_eq!(resolved.origin_of("policy"), None);
    assert_eq!(resolved.origin_of("no.such.setting"), None);
    assert_eq!(resolved.origin_of(""), None);
}

/// Run by the test below in a process of its own, since a process's environment and directory are everybody's.
#[test]
#[ignore = "the next test runs it with an environment made for it"]
fn child_prints_what_it_reads() {
    let silent = build(Config::builder());
    assert_eq!(silent.config, Config::default(), "nothing is read unless asked for");
    println!("{}", show(&build(Config::builder().with_env().with_dotenv()), true));
}

#[test]
fn the_environment_and_dotenv_are_read_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "MILLPOND_WORKERS=9\nexport MILLPOND_LOG__LEVEL='debug'\n")
        .unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "child_prints_what_it_reads"])
        .current_dir(dir.path())
        .env_clear()
        .env("MILLPOND_WORKERS", "4")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("workers = 4  # environment variable MILLPOND_WORKERS\n"), "{printed}");
    assert!(printed.contains("level = \"debug\"  # .env:2 MILLPOND_LOG__LEVEL\n"), "{printed}");
}
