//! Where responses are kept, and how much of the disk they may take.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use millpond_config::{Builder, Config, Resolved};

fn with(variables: &[(&str, &str)]) -> Builder {
    Config::builder().with_env_from(variables.iter().copied())
}

fn dir(resolved: &Resolved) -> Option<&str> {
    resolved.config.store_dir().map(|dir| dir.to_str().unwrap())
}

#[test]
fn a_program_keeps_in_memory_unless_it_asks_for_more() {
    let bare = Config::builder().build().unwrap();
    assert_eq!((dir(&bare), bare.config.store_file()), (None, None));
    assert_eq!(dir(&with(&[]).build().unwrap()), None, "an environment that names no directory");
    let set = Config::builder().set("cache_dir", "/var/cache/pond").build().unwrap();
    assert_eq!(dir(&set), Some("/var/cache/pond"));
    assert_eq!(set.config.store_file().unwrap().to_str(), Some("/var/cache/pond/millpond.db"));
}

#[test]
fn the_environment_names_the_default_directory() {
    let both = with(&[("XDG_CACHE_HOME", "/x/"), ("HOME", "/home/u")]).build().unwrap();
    assert_eq!(dir(&both), Some("/x/millpond"));
    assert_eq!(both.origin_of("cache_dir").unwrap().to_string(), "default, from XDG_CACHE_HOME");
    let home = with(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/home/u")]).build().unwrap();
    assert_eq!(dir(&home), Some("/home/u/.cache/millpond"));
    assert_eq!(home.origin_of("cache_dir").unwrap().to_string(), "default, from HOME");
    assert_eq!(dir(&with(&[("XDG_CACHE_HOME", ""), ("HOME", "u")]).build().unwrap()), None);
}

#[test]
fn every_layer_is_stronger_than_the_default_directory() {
    let home = with(&[("HOME", "/home/u")]);
    let named = |builder: Builder| dir(&builder.build().unwrap()).map(str::to_owned);
    assert_eq!(named(home.clone().default("cache_dir", "/a")).as_deref(), Some("/a"));
    assert_eq!(named(home.clone().file_text("a.toml", "cache_dir = \"/b\"")).as_deref(), Some("/b"));
    assert_eq!(named(home.clone().set("store", "sqlite")).as_deref(), Some("/home/u/.cache/millpond"));
    let memory = home.set("store", "memory").build().unwrap();
    assert_eq!(dir(&memory), None);
    assert!(memory.warnings.is_empty(), "the default directory is nothing to warn of: {:?}", memory.warnings);
}

#[test]
fn the_authority_has_its_place_in_the_cache_directory() {
    let named = |builder: Builder| {
        let config = builder.set("tape.dir", "/tapes").build().unwrap().config;
        config.ca_dir().map(|dir| dir.to_str().unwrap().to_owned())
    };
    assert_eq!(named(Config::builder()), None, "not beside tapes, which are for sharing");
    let home = with(&[("HOME", "/home/u")]);
    let memory = home.clone().set("store", "memory");
    for (builder, dir) in [
        (Config::builder().set("cache_dir", "/c"), "/c/ca"),
        (home.clone(), "/home/u/.cache/millpond/ca"),
        (memory.clone(), "/home/u/.cache/millpond/ca"),
        (memory.clone().set("cache_dir", "/c"), "/c/ca"),
        (memory.clone().set("intercept.ca_dir", "/a"), "/a"),
        (home.set("intercept.ca_dir", "~/.mitmproxy"), "/home/u/.mitmproxy"),
    ] {
        assert_eq!(named(builder).as_deref(), Some(dir));
    }
    let resolved = memory.build().unwrap();
    assert_eq!(resolved.origin_of("intercept.ca_dir").unwrap().to_string(), "default, from HOME");
    assert_eq!(dir(&resolved), None);
}

#[test]
fn a_store_without_a_directory_says_what_to_do() {
    let errors = Config::builder().set_flag("--store", "store", "sqlite").build().unwrap_err();
    assert_eq!(
        errors.to_string(),
        "--store: `store` is \"sqlite\", and no directory is named to keep it in\n  help: set `cache_dir` (--cache-dir \
         DIR), or `store` to \"memory\"; where the environment is read, XDG_CACHE_HOME or HOME names one too"
    );
    let unknown = Config::builder().set_flag("--store", "store", "mysql").build().unwrap_err().to_string();
    assert!(unknown.starts_with("--store: `store` is not a store: \"mysql\"\n  help: "), "{unknown}");
}

#[test]
fn sizes_on_disk_have_their_bounds() {
    let build = |text: &str| Config::builder().file_text("a.toml", text).build();
    let errors = build(
        "[disk]\nsize = \"15MiB\"\ninline_limit = \"2MiB\"\nmax_entries = 0\ncommit_interval = \"0s\"\n",
    )
    .unwrap_err()
    .to_string();
    for (place, part) in [
        ("a.toml:2:8: `disk.size` is too small for a database: \"15MiB\"", "write \"16MiB\" or more"),
        ("a.toml:3:16: `disk.inline_limit` is too large", "write \"1MiB\" or less"),
        ("a.toml:4:15: `disk.max_entries` must be a whole number from 1, not 0", ""),
        ("a.toml:5:19: `disk.commit_interval` must be longer than nothing", ""),
    ] {
        assert!(errors.contains(place) && errors.contains(part), "no {place:?}, {part:?} in\n{errors}");
    }
    assert!(build("[disk]\nsize = \"16MiB\"\ninline_limit = 0\ncompress = false\n").is_ok());
}

#[test]
fn the_largest_object_is_that_of_any_route() {
    let text = "limits.object = \"1MiB\"\norigin = \"http://a.example\"\n\
                [[route]]\norigin = \"http://b.example\"\npath_prefix = \"/b\"\nlimits.object = \"3MiB\"\n";
    let config = Config::builder().file_text("a.toml", text).build().unwrap().config;
    assert_eq!(config.largest_object(), 3 << 20);
}

#[test]
fn a_route_may_fill_otherwise_than_the_top_level() {
    let text = "range_fill = \"off\"\norigin = \"http://a.example\"\n\
                [[route]]\norigin = \"http://b.example\"\npath_prefix = \"/b\"\nrange_fill = \"first\"\n\
                [[route]]\norigin = \"http://c.example\"\npath_prefix = \"/c\"\n";
    let routes = Config::builder().file_text("a.toml", text).build().unwrap().config.routes();
    let fills: Vec<String> = routes.iter().map(|route| format!("{:?}", route.range_fill)).collect();
    assert_eq!(fills, ["First", "Off", "Off"]);
}
