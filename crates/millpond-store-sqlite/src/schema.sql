-- Schema 1. A file with a newer schema is left alone; an older one is migrated (see schema.rs).

-- Which file this is: a number no other file has, whatever its name or inode.
CREATE TABLE file (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  INTEGER NOT NULL
);
INSERT INTO file VALUES (1, random());

-- One stored response. Rows are in the order of the queue: what came or was moved last has the largest `seq`.
CREATE TABLE entry (
    seq        INTEGER PRIMARY KEY,         -- never used twice: from `totals`
    url        TEXT    NOT NULL,
    key_hash   INTEGER NOT NULL,            -- the first 8 bytes of the SHA-256 of the key
    key        BLOB,                        -- the encoded key; NULL when it is that of a plain GET for the URL
    variant    INTEGER NOT NULL,            -- hash of Vary selectors and audience
    id         INTEGER NOT NULL,            -- differs for every commit; a refresh keeps it
    born       INTEGER NOT NULL,            -- the `seq` of its commit or last refresh: the newest of a key has the largest
    queue      INTEGER NOT NULL,            -- 0: on probation, 1: has been used
    status     INTEGER NOT NULL,
    stored_at  INTEGER NOT NULL,            -- milliseconds since 1970, like every time here
    fresh_until INTEGER NOT NULL,
    sweep_at   INTEGER NOT NULL,            -- from when on nobody will miss it
    stale_from INTEGER,                     -- set by a soft purge
    part_first INTEGER,                     -- first byte of a part (206); NULL when whole
    body_len   INTEGER NOT NULL,            -- bytes of content
    stored_len INTEGER NOT NULL,            -- bytes of content as kept
    coding     INTEGER NOT NULL,            -- 0: as it is, 1: zstd
    hits       INTEGER NOT NULL DEFAULT 0,
    used_at    INTEGER NOT NULL,            -- written now and then, not with each hit
    facts      BLOB    NOT NULL,            -- record, head and trailers (millpond_store::codec)
    facts_sum  INTEGER NOT NULL,            -- XXH3 of `facts`, seeded with that of the key, seeded with the id
    body_sum   INTEGER NOT NULL,            -- XXH3 of `body`, seeded with the id
    file       TEXT,                        -- name of the file with the body; NULL when the body is in the row
    body       BLOB                         -- the body, or the table of the file's chunks
);
-- Lookup by key, and by URL, prefix and host: a URL begins with scheme and authority.
CREATE INDEX entry_url ON entry (url, key_hash);
CREATE INDEX entry_queue ON entry (queue);  -- and by seq within
CREATE INDEX entry_sweep ON entry (sweep_at);
CREATE INDEX entry_file ON entry (file) WHERE file IS NOT NULL;

-- Tags (kind 0) and groups (kind 1) of entries.
CREATE TABLE label (
    kind   INTEGER NOT NULL,
    name   TEXT    NOT NULL,
    origin TEXT    NOT NULL,                -- scheme://authority
    seq    INTEGER NOT NULL,           -- of the entry; changed and removed with it
    PRIMARY KEY (kind, name, origin, seq)
) WITHOUT ROWID;
CREATE INDEX label_entry ON label (seq);

-- Recent purges, for other processes: each applies those newer than the last it saw to its memory.
CREATE TABLE purge (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    soft     INTEGER NOT NULL,
    kind     TEXT    NOT NULL,              -- key, url, prefix, tag, group, host, all
    origin   TEXT,
    value    BLOB
);

-- Sums over `entry`, kept in step in the same transactions, and the next number of a row.
CREATE TABLE totals (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    next_seq        INTEGER NOT NULL,
    entries         INTEGER NOT NULL,
    row_bytes       INTEGER NOT NULL,       -- bodies in rows, as kept
    file_bytes      INTEGER NOT NULL,       -- bodies in files, as kept
    probation       INTEGER NOT NULL,       -- entries in queue 0
    probation_bytes INTEGER NOT NULL        -- their bodies, as kept
);
INSERT INTO totals VALUES (1, 1, 0, 0, 0, 0, 0);

-- For people: `SELECT * FROM cache`.
CREATE VIEW cache AS SELECT
    url, status, body_len AS size, stored_len AS kept,
    CASE coding WHEN 1 THEN 'zstd' ELSE '' END AS coding,
    datetime(stored_at / 1000, 'unixepoch') AS stored,
    datetime(fresh_until / 1000, 'unixepoch') AS fresh_until,
    datetime(used_at / 1000, 'unixepoch') AS used,
    hits, part_first, stale_from IS NOT NULL AS purged_soft, file
FROM entry;
