//! RFC 9110 section 15.3.7.3, RFC 9111 section 3.4: a part that comes, between parts that are stored.

use crate::common::{Lines, Table, get, response, store, times};
use millpond_policy::{Admitted, Fate, Profile, RequestFacts, Stored, combined, joins};

const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");
const TAG: (&str, &str) = ("ETag", "\"a\"");

/// The bytes from `first` on, `len` of them, stored with `lines`.
struct Kept {
    admitted: Admitted,
    len: u64,
}

fn kept(first: u64, len: u64, complete: &str, lines: Lines<'_>) -> Kept {
    let content_range = format!("bytes {first}-{}/{complete}", first + len - 1);
    let lines = [lines, &[FRESH, ("Date", "@0"), ("Content-Range", &content_range)]].concat();
    let admitted = store(&get(&[("Range", "bytes=0-9")]), &response(206, &lines), &Profile::default());
    Kept { admitted: admitted.expect("storable"), len }
}

impl Kept {
    fn stored(&self) -> Stored<'_> {
        Stored { record: &self.admitted.record, head: &self.admitted.head }
    }

    fn sized(&self) -> (Stored<'_>, u64) {
        (self.stored(), self.len)
    }
}

/// `skip SKIP of FETCHED, overlap OVERLAP -> LEN PLACE`, or the reason why not.
fn joined(before: Option<&Kept>, behind: Option<&Kept>, asked: Lines<'_>, new: Lines<'_>) -> String {
    let (before, behind) = (before.map(Kept::sized), behind.map(Kept::sized));
    match joins(before, behind, &get(asked), &response(206, new)) {
        Ok(join) => {
            let place = join.part.map_or("whole".to_owned(), |part| {
                format!("{}/{}", part.first, part.complete_len.map_or("*".to_owned(), |len| len.to_string()))
            });
            let (skip, fetched, overlap, len) = (join.skip, join.fetched_len, join.overlap, join.body_len);
            format!("skip {skip} of {fetched}, overlap {overlap} -> {len} {place}")
        }
        Err(reason) => reason.to_string(),
    }
}

/// Section, what it is about, the parts before and behind, the fields of the response, and what comes of it.
type Row<'a> =
    (&'a str, &'a str, Option<&'a Kept>, Option<&'a Kept>, Vec<(&'static str, &'static str)>, &'a str);

#[test]
fn what_lies_next_to_each_other() {
    let tagged = |first, len, complete| kept(first, len, complete, &[TAG]);
    let begin = tagged(0, 20, "100");
    let end = tagged(80, 20, "100");
    let (begin_unknown, end_unknown) = (tagged(0, 20, "*"), tagged(80, 20, "*"));
    let other_len = tagged(80, 20, "101");
    let short_len = tagged(0, 20, "90");
    let changed = kept(80, 20, "100", &[("ETag", "\"b\"")]);
    let weak = kept(80, 20, "100", &[("ETag", "W/\"a\"")]);
    let untagged = kept(80, 20, "100", &[]);
    let coded = kept(80, 20, "100", &[TAG, ("Content-Encoding", "gzip")]);
    let varied = kept(80, 20, "100", &[TAG, ("Vary", "Foo")]);
    let dated = kept(80, 20, "100", &[("Last-Modified", "@-9")]);
    let same_second = kept(80, 20, "100", &[("Last-Modified", "@0")]);
    let range = |value| ("Content-Range", value);
    let tagged = |value| vec![TAG, range(value)];
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("9111 3.4", "between two", Some(&begin), Some(&end), tagged("bytes 20-79/100"), "skip 0 of 60, overlap 0 -> 100 whole"),
        ("9111 3.4", "overlapping both", Some(&begin), Some(&end), tagged("bytes 10-89/100"), "skip 10 of 80, overlap 10 -> 100 whole"),
        ("9111 3.3", "before one", None, Some(&end), tagged("bytes 70-79/100"), "skip 0 of 10, overlap 0 -> 30 70/100"),
        ("9111 3.3", "overlapping one", None, Some(&end), tagged("bytes 70-98/100"), "skip 0 of 29, overlap 19 -> 30 70/100"),
        ("9111 3.3", "all before one", None, Some(&end), tagged("bytes 0-79/100"), "skip 0 of 80, overlap 0 -> 100 whole"),
        ("9111 3.3", "all of it again", None, Some(&end), tagged("bytes 70-99/100"), "not-contiguous"),
        ("9111 3.3", "within it", None, Some(&end), tagged("bytes 80-85/100"), "not-contiguous"),
        ("9111 3.3", "a gap", None, Some(&end), tagged("bytes 70-78/100"), "not-contiguous"),
        ("9111 3.3", "a gap on one side", Some(&begin), Some(&end), tagged("bytes 21-79/100"), "not-contiguous"),
        ("14.4", "a length that the first knows", Some(&begin), Some(&end_unknown), tagged("bytes 20-79/*"), "skip 0 of 60, overlap 0 -> 100 whole"),
        ("14.4", "a length that the last knows", Some(&begin_unknown), Some(&end), tagged("bytes 20-79/*"), "skip 0 of 60, overlap 0 -> 100 whole"),
        ("14.4", "a length that the response knows", Some(&begin_unknown), Some(&end_unknown), tagged("bytes 20-79/100"), "skip 0 of 60, overlap 0 -> 100 whole"),
        ("14.4", "a length that nobody knows", Some(&begin_unknown), Some(&end_unknown), tagged("bytes 20-79/*"), "skip 0 of 60, overlap 0 -> 100 0/*"),
        ("14.4", "lengths that differ", Some(&begin), Some(&other_len), tagged("bytes 20-79/*"), "part-changed"),
        ("14.4", "another length", None, Some(&end), tagged("bytes 20-79/101"), "part-changed"),
        ("14.4", "more than there is", Some(&short_len), Some(&end_unknown), tagged("bytes 20-79/*"), "part-changed"),
        ("15.3.7.3", "another tag", None, Some(&changed), tagged("bytes 20-79/100"), "part-changed"),
        ("15.3.7.3", "another tag on one side", Some(&begin), Some(&changed), tagged("bytes 20-79/100"), "part-changed"),
        ("15.3.7.3", "a weak tag", None, Some(&weak), vec![("ETag", "W/\"a\""), range("bytes 20-79/100")], "no-strong-validator"),
        ("15.3.7.3", "the same tag, weak now", None, Some(&end), vec![("ETag", "W/\"a\""), range("bytes 20-79/100")], "part-changed"),
        ("15.3.7.3", "no tag", None, Some(&end), vec![range("bytes 20-79/100")], "no-strong-validator"),
        ("15.3.7.3", "no tag on either side", None, Some(&untagged), vec![range("bytes 20-79/100")], "no-strong-validator"),
        ("8.8.2.2", "a strong date", None, Some(&dated), vec![("Date", "@0"), ("Last-Modified", "@-9"), range("bytes 70-79/100")], "skip 0 of 10, overlap 0 -> 30 70/100"),
        ("8.8.2.2", "another date", None, Some(&dated), vec![("Date", "@0"), ("Last-Modified", "@-8"), range("bytes 70-79/100")], "part-changed"),
        ("8.8.2.2", "a date of the same second", None, Some(&same_second), vec![("Date", "@0"), ("Last-Modified", "@0"), range("bytes 70-79/100")], "no-strong-validator"),
        ("8.4", "another coding", None, Some(&coded), tagged("bytes 70-79/100"), "part-changed"),
        ("9111 4.1", "other selecting fields", None, Some(&varied), tagged("bytes 70-79/100"), "vary-mismatch"),
        ("15.3.7.2", "several ranges", None, Some(&end), vec![TAG, ("Content-Type", "multipart/byteranges; boundary=x")], "multipart"),
    ];
    let mut table = Table::default();
    for (section, what, before, behind, new, expected) in rows {
        table.row(section, what, joined(*before, *behind, &[("Foo", "1")], new), expected);
    }
    table.finish();
}

/// RFC 9111 section 3.4: the fields of the newest response, and of parts what they could be purged by.
#[test]
fn what_they_become() {
    let old = kept(0, 20, "100", &[TAG, ("Cache-Tag", "old"), ("Foo", "old"), ("Bar", "old")]);
    let newer = [TAG, ("Cache-Tag", "newer"), ("Foo", "newer"), ("Cache-Groups", "\"g\"")];
    let newer = kept(80, 20, "100", &newer);
    let request = get(&[("Range", "bytes=20-79")]);
    let lines = [TAG, ("Date", "@40"), ("Cache-Control", "max-age=90"), ("Content-Range", "bytes 20-79/100")];
    for said in [&[][..], &[("Foo", "new"), ("Cache-Tag", "new")]] {
        let answer = response(206, &[&lines[..], said].concat());
        let join = joins(Some(old.sized()), Some(newer.sized()), &request, &answer).expect("they join");
        let (facts, profile) = (RequestFacts::of(&request), Profile::default());
        let stored = (newer.stored(), Some(old.stored()));
        let whole = combined(stored, &join, &request, &facts, &answer, times(40), &profile);
        assert_eq!((whole.fate, whole.record.part, whole.record.max_age), (Fate::Store, None, Some(90)));
        let foo = if said.is_empty() { "newer" } else { "new" };
        assert_eq!(whole.head.fields.get_str("foo"), Some(foo));
        let mut tags: Vec<_> = whole.record.tags.iter().map(|tag| &**tag).collect();
        tags.sort_unstable();
        let expected: &[&str] = if said.is_empty() { &["newer", "old"] } else { &["new", "newer", "old"] };
        assert_eq!(tags, expected);
        assert_eq!(whole.record.groups.iter().map(|group| &**group).collect::<Vec<_>>(), ["g"]);
    }
}
