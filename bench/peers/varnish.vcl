# Varnish as it comes; it counts always, and varnishncsa beside it writes the log (from a segment large enough that no
# line is lost).
vcl 4.1;
backend default {
    .host = "127.0.0.1";
    .port = "{{origin_port}}";
}
