//! The forward door: by its configuration, and of a running proxy.

use super::{Place, explain_at};
use crate::support::{Ended, Reply, Serving, file, run};
use serde_json::{Value, json};

/// A forward proxy on the cache directory of a place.
fn proxy(place: &Place, more: &[&str]) -> Serving {
    let arguments = ["proxy", "--listen", "127.0.0.1:0", "--cache-dir", place.directory()];
    Serving::start(&[&arguments[..], more].concat())
}

fn told(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

#[test]
fn a_url_without_a_route_is_known_as_the_proxy_knows_it() {
    let place = Place::holding(&[]);
    let url = place.url("/fresh");
    let serving = proxy(&place, &[]);
    assert_eq!(Reply::read(Reply::ask(serving.address, &url)).field("x-cache"), "MISS");
    let asked = place.origin.asked();
    let server = format!("http://{}", serving.address);

    // The server says itself that it is one.
    let ended = run(&["explain", &url, "--via", &server, "--json"]);
    let server_said = &told(&ended)["server"];
    assert_eq!(
        (ended.code, &server_said["as_proxy"], &server_said["hit"]),
        (Some(0), &json!(true), &json!(true))
    );
    // Or it is known, by an option.
    let ended = run(&["explain", &url, "--via", &server, "--proxy", "--cache-dir", place.directory()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(", asked as a forward proxy, answers 200"), "{}", ended.stdout);
    let missing = run(&["explain", &place.url("/other"), "--via", &server, "--json"]);
    assert_eq!((missing.code, &told(&missing)["server"]["status"]), (Some(1), &json!(504)));
    // Without a whole URL there is nothing to ask it for.
    let ended = run(&["explain", "--via", &server]);
    assert!(ended.code == Some(1) && ended.stdout.contains("This is a forward proxy"), "{ended:?}");

    let (status, _, log) = serving.stop();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let ended = run(&["explain", &url, "--proxy", "--cache-dir", place.directory(), "--json"]);
    let story = told(&ended);
    assert_eq!(
        (ended.code, &story["door"], &story["store"]["verdict"]),
        (Some(0), &json!("proxy"), &json!("hit"))
    );
    assert_eq!(
        (&story["route"]["origin"], &story["route"]["in_tunnel"]),
        (&json!(place.origin.url), &json!(false))
    );
    assert_eq!(place.origin.asked(), asked);
}

#[test]
fn what_the_proxy_would_send_tells_nothing_of_its_clients() {
    let place = Place::holding(&[]);
    let (_, _, story) = explain_at(&place.url("/fresh"), &["--proxy", "--no-fetch"]);
    assert_eq!(story["store"]["fetch"]["other_fields"], json!(["Host", "Via"]));
    let (_, _, story) = explain_at(&place.url("/fresh"), &["--proxy"]);
    assert_eq!((&story["origin"]["next"], &story["hit"]), (&json!("hit"), &json!(true)));
}

#[test]
fn a_configuration_that_names_no_origin_is_that_of_a_proxy() {
    let url = "http://a.example/";
    let (_dir, path) = file("millpond.toml", "[policy]\ndefault_ttl = \"1m\"\n");
    for (arguments, door) in [
        (&["--config", &*path][..], "proxy"),
        (&["--preset", "apt"], "proxy"),
        (&["--preset", "pip"], "proxy"),
        (&["--set", "forward.private_addresses=true"], "proxy"),
        (&["--intercept", "b.example"], "proxy"),
        (&["--config", &*path, "--origin", url], "serve"),
        (&["--preset", "gateway"], "serve"),
        (&["--default-ttl", "60s"], "serve"),
    ] {
        let (_, text, story) = explain_at(url, &[arguments, &["--no-fetch"]].concat());
        assert_eq!(story["door"], door, "{arguments:?}: {text}");
        assert_eq!(text.contains("Door       forward proxy"), door == "proxy", "{text}");
    }
}

#[test]
fn a_host_whose_tls_stays_closed_is_not_cached() {
    let url = "https://a.example/x";
    let closed = |options: &[&str], why: &str| {
        let (code, text, story) = explain_at(url, &[&["--proxy"], options].concat());
        let unrouted = &story["unrouted"];
        assert_eq!(
            (code, &unrouted["kind"], &unrouted["status"]),
            (Some(1), &json!("tunnelled"), &Value::Null)
        );
        assert!(unrouted["explanation"].as_str().unwrap().contains(why), "{text}");
        assert!(text.contains("tunnelled. What is asked in it is neither seen nor cached."), "{text}");
        unrouted["changed_by"].clone()
    };
    assert_eq!(closed(&[], "intercept.hosts"), json!(["--intercept a.example"]));
    assert_eq!(closed(&["--intercept-all", "--tunnel", "*.example"], "intercept.tunnel"), json!([]));
    // And so it is.
    for option in [&["--intercept", "a.example"][..], &["--intercept-all"]] {
        let (_, text, story) = explain_at(url, &[&["--no-fetch"], option].concat());
        let route = &story["route"];
        assert_eq!((&route["in_tunnel"], &route["key"]["url"]), (&json!(true), &json!(url)), "{text}");
        assert!(text.contains("Tunnel     opened"), "{text}");
    }
}

#[test]
fn a_refused_target_is_told_with_the_setting_that_refuses_it() {
    for (url, options, status, setting) in [
        ("http://a.example/", &["--allow", "b.example"][..], 403, "forward.allow"),
        ("http://169.254.169.254/latest", &[], 403, "forward.refuse_addresses"),
        ("https://a.example:8443/", &["--set", "forward.tunnel_ports=443"], 403, "forward.tunnel_ports"),
        ("http://127.0.0.1:3142/", &[], 508, "this proxy itself"),
        ("http://127.0.0.1/", &["--set", "listen=0.0.0.0:3142"], 403, "forward.private_addresses"),
        ("http://2130706433/", &[], 400, "usual form"),
    ] {
        let (code, text, story) = explain_at(url, &[&["--proxy"], options].concat());
        let unrouted = &story["unrouted"];
        assert_eq!((code, &unrouted["status"]), (Some(1), &json!(status)), "{url}: {text}");
        assert!(text.contains(setting), "{url}: {text}");
    }
}

/// Where a name leads is seen only when it is connected to: as the proxy does it.
#[test]
fn an_address_that_the_proxy_would_not_connect_to_is_not_asked() {
    let place = Place::holding(&[]);
    let asked = place.origin.asked();
    let url = place.url("/fresh").replace("127.0.0.1", "localhost");
    let (code, text, story) = explain_at(&url, &["--proxy", "--set", "listen=0.0.0.0:3142"]);
    let origin = &story["origin"];
    assert_eq!(
        (code, &origin["refused"], &origin["status"]),
        (Some(1), &json!(true), &Value::Null),
        "{text}"
    );
    assert!(text.contains("is not to be asked") && text.contains("forward.private_addresses"), "{text}");
    assert_eq!(place.origin.asked(), asked);
    let (code, text, _) = explain_at(&url, &["--proxy"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn the_answer_to_a_url_that_clients_tunnel_to_is_told_as_such() {
    let place = Place::holding(&[]);
    let serving = proxy(&place, &[]);
    let server = format!("http://{}", serving.address);
    let ended = run(&["explain", "https://a.example/", "--via", &server]);
    assert!(
        ended.code == Some(1) && ended.stdout.contains("Note       clients reach this URL through a tunnel"),
        "{ended:?}"
    );
    let ended = run(&["explain", "https://a.example/", "--via", &server, "--proxy"]);
    assert!(
        ended.stdout.contains("tunnelled. What is asked") && ended.stdout.contains("answers 504"),
        "{ended:?}"
    );
}
