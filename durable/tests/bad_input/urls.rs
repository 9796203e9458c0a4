//! URLs of stores. No error shows a password.

use durable::connect;

use crate::table::{Row, long, rows};

#[rustfmt::skip]
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn urls() -> Vec<Row> {
    rows! {
        "nothing" => |w| connect(""), InvalidArgument, Never, "unknown backend `:`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "no scheme" => |w| connect("nonsense"), InvalidArgument, Never, "unknown backend `nonsense:`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "only a scheme, without colon" => |w| connect("memory"), InvalidArgument, Never, "\"memory\" is no backend URL; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "another store" => |w| connect("postgres://u:secret@h"), InvalidArgument, Never, "unknown backend `postgres:`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "a scheme in capitals" => |w| connect("MEMORY:"), InvalidArgument, Never, "unknown backend `MEMORY:`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "a scheme with a space" => |w| connect("sled :x"), InvalidArgument, Never, "unknown backend `sled :`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "a space before it" => |w| connect(" memory:"), InvalidArgument, Never, "unknown backend ` memory:`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "a login without scheme" => |w| connect("u:secret@h"), InvalidArgument, Never, "unknown backend `u:`; known are `memory:`, `memory:NAME`, `sled:PATH`, `redis://…` and `aws://…`, with `?hub=NAME`";
        "no folder" => |w| connect("sled:"), InvalidArgument, Never, "`sled:` needs a folder, e.g. `sled:./data`";
        "no folder, but a hub" => |w| connect("sled:?hub=x"), InvalidArgument, Never, "`sled:` needs a folder, e.g. `sled:./data`";
        "a folder below a file" => |w| connect("sled:/dev/null/x"), Backend, Never, "open failed (Unavailable): the disk reported an error: mend it and restart this program; nothing acknowledged is lost: IO error: Not a directory (os error 20)";
        "a zero byte in a folder" => |w| connect("sled:%00"), Backend, Never, "open failed (Unavailable): the disk reported an error: mend it and restart this program; nothing acknowledged is lost: IO error: file name contained an unexpected NUL byte";
        "a folder as a host" => |w| connect("sled://data"), InvalidArgument, Never, "`sled:` takes a path and no host: write `sled:./data` or `sled:/var/data`";
        "a folder as a host with a login" => |w| connect("sled://u:secret@h/data"), InvalidArgument, Never, "`sled:` takes a path and no host: write `sled:./data` or `sled:/var/data`";
        "a folder in memory" => |w| connect("sled::memory:?x=y"), InvalidArgument, Never, "unknown parameter `x` for `sled:`; known is `hub`";
        "a setting that is none of the URL" => |w| connect("sled:x?cache_bytes=1"), InvalidArgument, Never, "unknown parameter `cache_bytes` for `sled:`; known is `hub`";
        "a prefix of another store" => |w| connect("sled:x?prefix=a"), InvalidArgument, Never, "unknown parameter `prefix` for `sled:`; known is `hub`";
        "a sled hub with a line feed" => |w| connect("sled:x?hub=a%0Ab"), InvalidArgument, Never, "task hub name holds the control character U+000A at byte 1; remove it";
        "an empty sled hub" => |w| connect("sled:x?hub="), InvalidArgument, Never, "task hub name must not be empty";
        "two hubs, the second wrong" => |w| connect("sled:x?hub=a&hub=%00"), InvalidArgument, Never, "task hub name holds the control character U+0000 at byte 0; remove it";
        "a hub in capitals" => |w| connect("sled:x?HUB=a"), InvalidArgument, Never, "unknown parameter `HUB` for `sled:`; known is `hub`";
        "an escaped name of a parameter" => |w| connect("sled:x?%68ub=a"), InvalidArgument, Never, "unknown parameter `%68ub` for `sled:`; known is `hub`";
        "an empty hub" => |w| connect("memory:?hub="), InvalidArgument, Never, "task hub name must not be empty";
        "a hub without value" => |w| connect("memory:?hub"), InvalidArgument, Never, "task hub name must not be empty";
        "a hub with a zero byte" => |w| connect("memory:?hub=%00"), InvalidArgument, Never, "task hub name holds the control character U+0000 at byte 0; remove it";
        "a hub with a line feed" => |w| connect("memory:?hub=a%0Ab"), InvalidArgument, Never, "task hub name holds the control character U+000A at byte 1; remove it";
        "a hub that is too long" => |w| connect(&"memory:?hub=LONG".replace("LONG2", &long(129)).replace("LONG", &long(65))), InvalidArgument, Never, "task hub name is 65 bytes long; the limit is 64 bytes";
        "an unknown parameter" => |w| connect("memory:?hubb=x"), InvalidArgument, Never, "unknown parameter `hubb` for `memory:`; known is `hub`";
        "an unknown parameter after a known one" => |w| connect("memory:?hub=a&x=y"), InvalidArgument, Never, "unknown parameter `x` for `memory:`; known is `hub`";
        "a parameter without name" => |w| connect("memory:?=x"), InvalidArgument, Never, "unknown parameter `` for `memory:`; known is `hub`";
        "a parameter of another store" => |w| connect("sled:x?durability=always"), InvalidArgument, Never, "unknown parameter `durability` for `sled:`; known is `hub`";
        "a percent sign at the end" => |w| connect("memory:%"), InvalidArgument, Never, "\"%\" is not properly percent-encoded";
        "half an escape" => |w| connect("memory:%4"), InvalidArgument, Never, "\"%4\" is not properly percent-encoded";
        "no escape" => |w| connect("memory:%zz"), InvalidArgument, Never, "\"%zz\" is not properly percent-encoded";
        "an escape that is not UTF-8" => |w| connect("memory:%ff"), InvalidArgument, Never, "\"%ff\" is not properly percent-encoded";
        "a percent sign in a hub" => |w| connect("memory:?hub=%"), InvalidArgument, Never, "\"%\" is not properly percent-encoded";
        "an escaped hub that is not UTF-8" => |w| connect("memory:?hub=%ff"), InvalidArgument, Never, "\"%ff\" is not properly percent-encoded";
        "no escape in a folder" => |w| connect("sled:%zz"), InvalidArgument, Never, "\"%zz\" is not properly percent-encoded";
    }
}

#[cfg(not(feature = "aws"))]
#[rustfmt::skip]
pub(crate) fn aws() -> Vec<Row> {
    rows! {
        "a store whose adapter is not there" => |w| connect("aws://x"), InvalidArgument, Never, "`aws:` needs the feature `aws` of the crate `durable`; enable it in Cargo.toml";
        "that store with a login" => |w| connect("aws://u:secret@x"), InvalidArgument, Never, "`aws:` needs the feature `aws` of the crate `durable`; enable it in Cargo.toml";
    }
}

#[cfg(feature = "aws")]
#[rustfmt::skip]
pub(crate) fn aws() -> Vec<Row> {
    rows! {
        "AWS: no slashes" => |w| connect("aws:x"), InvalidArgument, Never, "connect failed (Invalid): FORM";
        "AWS: a login" => |w| connect("aws://u:secret@x?region=r"), InvalidArgument, Never, "connect failed (Invalid): the URL has a login; credentials come from the standard chain; FORM";
        "AWS: no escape in a hub" => |w| connect("aws://%zz"), InvalidArgument, Never, "connect failed (Invalid): a part of the URL is not properly percent-encoded; FORM";
        "AWS: a misspelt parameter" => |w| connect("aws://x?regoin=r"), InvalidArgument, Never, "connect failed (Invalid): unknown parameter `regoin`; known are `region`, `endpoint`, `dynamodb`, `sqs` and `prefix`";
        "AWS: a hub with a line feed" => |w| connect("aws://%0a"), InvalidArgument, Never, "connect failed (Invalid): task hub name holds the control character U+000A at byte 0; remove it";
    }
}

#[cfg(feature = "redis")]
#[rustfmt::skip]
pub(crate) fn redis() -> Vec<Row> {
    rows! {
        "Redis: no slashes" => |w| connect("redis:x"), InvalidArgument, Never, "connect failed (Invalid): FORM";
        "Redis: one slash" => |w| connect("redis:/x"), InvalidArgument, Never, "connect failed (Invalid): FORM";
        "Redis: a port that is no number" => |w| connect("redis://h:port"), InvalidArgument, Never, "connect failed (Invalid): the port must be a number; FORM";
        "Redis: a port that is too large" => |w| connect("redis://h:99999"), InvalidArgument, Never, "connect failed (Invalid): the port must be a number; FORM";
        "Redis: a negative port" => |w| connect("redis://h:-1"), InvalidArgument, Never, "connect failed (Invalid): the port must be a number; FORM";
        "Redis: a port behind a login" => |w| connect("redis://u:secret@h:port"), InvalidArgument, Never, "connect failed (Invalid): the port must be a number; FORM";
        "Redis: a port behind an address in brackets" => |w| connect("redis://[::1]:port"), InvalidArgument, Never, "connect failed (Invalid): the port must be a number; FORM";
        "Redis: a database that is no number" => |w| connect("redis://h/x"), InvalidArgument, Never, "connect failed (Invalid): the database must be a number; FORM";
        "Redis: a negative database" => |w| connect("redis://h/-1"), InvalidArgument, Never, "connect failed (Invalid): the database must be a number; FORM";
        "Redis: a database that is too large" => |w| connect("redis://h/99999999999"), InvalidArgument, Never, "connect failed (Invalid): the database must be a number; FORM";
        "Redis: an empty hub" => |w| connect("redis://h?hub="), InvalidArgument, Never, "connect failed (Invalid): task hub name must not be empty";
        "Redis: a hub with a line feed" => |w| connect("redis://h?hub=%0a"), InvalidArgument, Never, "connect failed (Invalid): task hub name holds the control character U+000A at byte 0; remove it";
        "Redis: a hub that is too long" => |w| connect(&"redis://h?hub=LONG".replace("LONG2", &long(129)).replace("LONG", &long(65))), InvalidArgument, Never, "connect failed (Invalid): task hub name is 65 bytes long; the limit is 64 bytes";
        "Redis: an unknown parameter" => |w| connect("redis://u:secret@h?hubb=x"), InvalidArgument, Never, "connect failed (Invalid): unknown parameter `hubb`; known are `hub`, `prefix`, `durability`, `replicas` and `partitions`, with `rediss` `ca_file`, and for Sentinels `master`, `sentinel_user` and `sentinel_password`";
        "Redis: an unknown durability" => |w| connect("redis://h?durability=maybe"), InvalidArgument, Never, "connect failed (Invalid): durability is one of none, everysec and always";
        "Redis: an empty durability" => |w| connect("redis://h?durability="), InvalidArgument, Never, "connect failed (Invalid): durability is one of none, everysec and always";
        "Redis: a durability in capitals" => |w| connect("redis://h?durability=ALWAYS"), InvalidArgument, Never, "connect failed (Invalid): durability is one of none, everysec and always";
        "Redis: replicas that are no number" => |w| connect("redis://h?replicas=all"), InvalidArgument, Never, "connect failed (Invalid): replicas must be a number";
        "Redis: an authority without encryption" => |w| connect("redis://h?ca_file=x"), InvalidArgument, Never, "connect failed (Invalid): unknown parameter `ca_file`; known are `hub`, `prefix`, `durability`, `replicas` and `partitions`, with `rediss` `ca_file`, and for Sentinels `master`, `sentinel_user` and `sentinel_password`";
        "Redis: a prefix with a brace" => |w| connect("redis://h?prefix=a%7Bb"), InvalidArgument, Never, "connect failed (Invalid): the prefix may hold letters, digits and `:._-` only, at most 128 of them";
        "Redis: a prefix with a space" => |w| connect("redis://h?prefix=a%20b"), InvalidArgument, Never, "connect failed (Invalid): the prefix may hold letters, digits and `:._-` only, at most 128 of them";
        "Redis: a prefix that is too long" => |w| connect(&"redis://h?prefix=LONG2".replace("LONG2", &long(129)).replace("LONG", &long(65))), InvalidArgument, Never, "connect failed (Invalid): the prefix may hold letters, digits and `:._-` only, at most 128 of them";
        "Redis: no escape in a password" => |w| connect("redis://u:secret%zz@h"), InvalidArgument, Never, "connect failed (Invalid): a part of the URL is not properly percent-encoded; FORM";
        "Redis: no escape in a user" => |w| connect("redis://u%zz:secret@h"), InvalidArgument, Never, "connect failed (Invalid): a part of the URL is not properly percent-encoded; FORM";
        "Redis: half an escape in a host" => |w| connect("redis://h%4"), InvalidArgument, Never, "connect failed (Invalid): a part of the URL is not properly percent-encoded; FORM";
        "Redis: a question mark in a password" => |w| connect("redis://u:1?secret@h"), InvalidArgument, Never, "connect failed (Invalid): an `@` after the `?` must be percent-encoded, as must a `?` in a password; FORM";
        "Redis: a question mark and an equals sign in a password" => |w| connect("redis://u:1?x=secret@h"), InvalidArgument, Never, "connect failed (Invalid): an `@` after the `?` must be percent-encoded, as must a `?` in a password; FORM";
        "Redis: a slash in a password" => |w| connect("redis://u:1/secret@h"), InvalidArgument, Never, "connect failed (Invalid): the database must be a number; FORM";
        "Redis: a hash and a slash in a password" => |w| connect("redis://u:#/secret@h"), InvalidArgument, Never, "connect failed (Invalid): the port must be a number; FORM";
        "Redis: an escape that is not UTF-8" => |w| connect("redis://h?hub=%ff"), InvalidArgument, Never, "connect failed (Invalid): a part of the URL is not properly percent-encoded; FORM";
    }
}
