//! Parts against a model: an origin whose representation changes and that answers ranges as it pleases, and a cache made of
//! the policy's functions alone. Whatever that cache keeps or gives is bytes of one version of the representation.

use crate::common::{at, get, response, times};
use millpond_exchange::{Fields, Part, Record, RequestHead, ResponseHead, StatusCode};
use millpond_policy::{
    Combine, Completion, ContentRange, Fate, Fetch, PartAnswer, PartRange, Profile, RangeAnswer,
    RequestFacts, Stored, admit, combined, combines, content_range, joins, missing_for, part_answer,
    parts_for, parts_together, range, select,
};
use proptest::prelude::*;

/// What the origin says of a version of its representation.
#[derive(Clone, Copy, Debug)]
enum Validators {
    StrongTag,
    StrongDate,
    /// The same for all versions, as are the two below.
    WeakTag,
    WeakDate,
    None,
}

/// How the origin treats one request.
#[derive(Clone, Copy, Debug)]
struct Manner {
    ignores_range: bool,
    ignores_if_range: bool,
    says_length: bool,
    says_validators: bool,
    /// Bytes sent before the first one asked for, and left out at the end.
    early: u64,
    short: u64,
}

#[derive(Clone, Debug)]
enum Step {
    /// The representation changes, and whole responses leave the cache: while one is there, parts are not asked for.
    Change,
    /// A client asks, with this Range and maybe If-Range for this version.
    Ask { range: Option<String>, if_range: Option<usize>, manner: Manner },
}

struct Origin {
    versions: Vec<Vec<u8>>,
    current: usize,
    validators: Validators,
}

impl Origin {
    fn validator(&self, version: usize) -> Option<(&'static str, String)> {
        match self.validators {
            Validators::StrongTag => Some(("ETag", format!("\"{version}\""))),
            Validators::StrongDate => Some(("Last-Modified", crate::common::date(version as i64 - 100))),
            Validators::WeakTag => Some(("ETag", "W/\"w\"".into())),
            Validators::WeakDate => Some(("Last-Modified", crate::common::date(0))),
            Validators::None => None,
        }
    }

    /// The head, with the version in a field of its own, and the body.
    fn answer(&self, fields: &Fields, manner: Manner) -> (ResponseHead, Vec<u8>) {
        let content = &self.versions[self.current];
        let mut head =
            response(200, &[("Cache-Control", "max-age=60"), ("Date", "@0"), ("Content-Type", "text/plain")]);
        let mut set = |name: &str, value: String| head.fields.set(name, value).expect("valid");
        set("Version", self.current.to_string());
        let validator = self.validator(self.current);
        if let Some((name, value)) = validator.clone().filter(|_| manner.says_validators) {
            set(name, value);
        }
        // Evaluated by the origin itself, from what it knows of its versions.
        let current = fields.get_str("if-range").is_none_or(|value| {
            validator.is_some_and(|(_, own)| own == value && !own.starts_with("W/"))
                || manner.ignores_if_range
        });
        let asked = get(&[("Range", fields.get_str("range").unwrap_or_default())]);
        let plain = admit(
            &asked,
            &RequestFacts::default(),
            &response(200, &[("Expires", "@9")]),
            times(0),
            None,
            &Profile::default(),
        );
        let found = range(
            &asked.fields,
            &RequestFacts::of(&asked),
            content.len() as u64,
            &plain.expect("storable").record,
        );
        match found {
            RangeAnswer::Part(found) if current && !manner.ignores_range => {
                let first = found.start.saturating_sub(manner.early);
                let last = (found.end - 1).saturating_sub(manner.short).max(first);
                let complete_len = manner.says_length.then_some(content.len() as u64);
                set("Content-Range", ContentRange { first, last, complete_len }.to_string());
                head.status = StatusCode::PARTIAL_CONTENT;
                (head, content[first as usize..=last as usize].to_vec())
            }
            // Several ranges it does not do.
            RangeAnswer::Unsatisfiable if current && !manner.ignores_range => {
                (ResponseHead::new(StatusCode::RANGE_NOT_SATISFIABLE), Vec::new())
            }
            _ => (head, content.clone()),
        }
    }

    /// Checks that `body` is what a response with `head` would have at this place.
    fn check(&self, head: &ResponseHead, first: u64, complete_len: Option<u64>, body: &[u8]) {
        let version: usize = head.fields.get_str("version").expect("set").parse().expect("a number");
        let content = &self.versions[version];
        let first = usize::try_from(first).expect("small");
        assert_eq!(&content[first..first + body.len()], body, "bytes of version {version} from {first} on");
        assert!(complete_len.is_none_or(|len| len == content.len() as u64));
    }
}

struct Entry {
    record: Record,
    head: ResponseHead,
    body: Vec<u8>,
}

impl Entry {
    fn stored(&self) -> Stored<'_> {
        Stored { record: &self.record, head: &self.head }
    }

    fn len(&self) -> u64 {
        self.body.len() as u64
    }
}

/// A cache that does as the policy says and nothing else.
struct Cache {
    origin: Origin,
    entries: Vec<Entry>,
    joined: usize,
}

impl Cache {
    fn keep(&mut self, entry: Entry) {
        match entry.record.part {
            None => self.origin.check(&entry.head, 0, Some(entry.len()), &entry.body),
            Some(Part { first, complete_len }) => {
                self.origin.check(&entry.head, first, complete_len, &entry.body);
            }
        }
        assert_eq!(entry.head.status, StatusCode::OK);
        self.entries.retain(|old| !entry.record.replaces(&old.record));
        self.entries.push(entry);
    }

    /// Answers from the stored entry, when it holds all that is asked for.
    fn answers(&self, entry: &Entry, request: &RequestHead) -> bool {
        let facts = RequestFacts::of(request);
        match part_answer(&request.fields, &facts, entry.len(), &entry.record) {
            PartAnswer::Covers(found) => {
                self.gives(entry, &entry.head, &found);
                true
            }
            PartAnswer::CoversAll(found) => {
                for found in &found {
                    self.gives(entry, &entry.head, found);
                }
                true
            }
            PartAnswer::Unsatisfiable { complete_len } => {
                self.origin.check(&entry.head, 0, Some(complete_len), &[]);
                true
            }
            PartAnswer::NotARange => entry.record.part.is_none(),
            PartAnswer::Outside | PartAnswer::IfRangeFailed => false,
        }
    }

    /// Checks that bytes of `entry` are what they are given for, under `head`.
    fn gives(&self, entry: &Entry, head: &ResponseHead, found: &PartRange) {
        let ContentRange { first, last, complete_len } = found.content_range;
        let body = &entry.body[found.body.start as usize..found.body.end as usize];
        assert_eq!(body.len() as u64, last - first + 1);
        self.origin.check(head, first, complete_len, body);
    }

    /// Answers several ranges from several parts, under the head of the newest.
    fn answers_together(&self, parts: &[usize], request: &RequestHead) -> bool {
        let stored: Vec<_> =
            parts.iter().map(|index| (self.entries[*index].stored(), self.entries[*index].len())).collect();
        let facts = RequestFacts::of(request);
        let Some(found) = parts_together(&request.fields, &facts, &stored) else { return false };
        for (index, found) in &found {
            self.gives(&self.entries[parts[*index]], &self.entries[parts[0]].head, found);
        }
        true
    }

    fn ask(&mut self, request: &RequestHead, manner: Manner) {
        let facts = RequestFacts::of(request);
        let records = || self.entries.iter().map(|entry| &entry.record);
        let whole = select(records(), &request.fields, None);
        let parts = parts_for(records(), &request.fields, None);
        assert!(whole.is_none_or(|index| self.entries[index].record.part.is_none()));
        if whole
            .into_iter()
            .chain(parts.iter().copied())
            .any(|index| self.answers(&self.entries[index], request))
            || self.answers_together(&parts, request)
        {
            return;
        }
        let fetch = parts.iter().find_map(|index| {
            let entry = &self.entries[*index];
            match missing_for(&request.fields, &facts, entry.len(), &entry.record) {
                Completion::Fetch(fetch) => Some((*index, fetch)),
                Completion::Nothing => None,
            }
        });
        match fetch {
            Some((index, fetch)) => self.complete(index, &parts, &fetch, request, manner),
            None => self.forward(&parts, request, manner),
        }
    }

    /// Sends the request as it is; what comes may lie next to stored parts.
    fn forward(&mut self, parts: &[usize], request: &RequestHead, manner: Manner) {
        let (head, body) = self.origin.answer(&request.fields, manner);
        if !self.join(None, parts, request, &head, &body) {
            self.admit(request, &head, body);
        }
    }

    fn complete(
        &mut self,
        index: usize,
        parts: &[usize],
        fetch: &Fetch,
        request: &RequestHead,
        manner: Manner,
    ) {
        assert!(fetch.stored.start < fetch.stored.end && fetch.stored.end == self.entries[index].len());
        let sent = RequestHead { fields: fetch.fields(&request.fields), ..request.clone() };
        let (head, body) = self.origin.answer(&sent.fields, manner);
        if self.join(Some(index), parts, &sent, &head, &body) {
            // An origin that gave all that was asked for has made the answer complete.
            let last = self.entries.last().expect("joined");
            let all = manner.short == 0 && manner.says_length && !manner.ignores_if_range;
            assert!(!all || self.answers(last, request), "{request:?} {:?}", last.record);
        } else if combines(self.entries[index].stored(), self.entries[index].len(), &sent, &head)
            == Combine::Replace
        {
            self.admit(&sent, &head, body);
        } else {
            self.forward(&[], request, manner);
        }
    }

    fn admit(&mut self, sent: &RequestHead, head: &ResponseHead, body: Vec<u8>) {
        let facts = RequestFacts::of(sent);
        let Ok(admitted) = admit(sent, &facts, head, times(0), None, &Profile::default()) else { return };
        assert!(admitted.exact_len.is_none_or(|len| len == body.len() as u64));
        self.keep(Entry { record: admitted.record, head: admitted.head, body });
    }

    /// Joins what came with the stored part before it and the one behind it, as far as there are such.
    fn join(
        &mut self,
        before: Option<usize>,
        parts: &[usize],
        sent: &RequestHead,
        head: &ResponseHead,
        body: &[u8],
    ) -> bool {
        let part = |index: usize| (self.entries[index].stored(), self.entries[index].len());
        let joins = |before: Option<usize>, behind: Option<usize>| {
            joins(before.map(part), behind.map(part), sent, head)
        };
        let found = |joins: &dyn Fn(usize) -> bool| parts.iter().copied().find(|index| joins(*index));
        let before = before.or_else(|| found(&|index| joins(Some(index), None).is_ok()));
        let behind = found(&|index| joins(None, Some(index)).is_ok());
        let behind = behind.filter(|_| joins(before, behind).is_ok());
        let Ok(join) = joins(before, behind) else { return false };
        let Some(one) = before.or(behind) else { return false };
        assert_eq!(join.fetched_len, body.len() as u64);
        let facts = RequestFacts::of(sent);
        let stored = (part(one).0, before.and(behind).map(|other| part(other).0));
        let new = combined(stored, &join, sent, &facts, head, times(1), &Profile::default());
        assert_eq!(new.fate, Fate::Store);
        let bytes = |index: Option<usize>| index.map_or(&[][..], |index| &self.entries[index].body);
        for index in before.into_iter().chain(behind) {
            let version = |head: &ResponseHead| head.fields.get("version").map(<[u8]>::to_vec);
            assert_eq!(version(&self.entries[index].head), version(head), "changed validators never mix");
        }
        let body =
            [bytes(before), &body[join.skip as usize..], &bytes(behind)[join.overlap as usize..]].concat();
        assert_eq!(join.body_len, body.len() as u64);
        self.keep(Entry { record: new.record, head: new.head, body });
        self.joined += 1;
        true
    }
}

fn run(validators: Validators, versions: Vec<Vec<u8>>, steps: Vec<Step>) -> Cache {
    let mut cache =
        Cache { origin: Origin { versions, current: 0, validators }, entries: Vec::new(), joined: 0 };
    for step in steps {
        match step {
            Step::Change => {
                cache.entries.retain(|entry| entry.record.part.is_some());
                let origin = &mut cache.origin;
                origin.current = (origin.current + 1).min(origin.versions.len() - 1);
            }
            Step::Ask { range, if_range, manner } => {
                let mut request = get(&[]);
                let validator = if_range.and_then(|version| cache.origin.validator(version));
                for (name, value) in
                    [range.map(|range| ("Range", range)), validator.map(|(_, value)| ("If-Range", value))]
                        .into_iter()
                        .flatten()
                {
                    request.fields.append(name, value).expect("valid");
                }
                cache.ask(&request, manner);
            }
        }
    }
    cache
}

fn asked_range() -> impl Strategy<Value = Option<String>> {
    let single = (0u64..30, 0u64..12).prop_map(|(first, more)| format!("bytes={first}-{}", first + more));
    prop_oneof![
        6 => single.prop_map(Some),
        2 => (0u64..30).prop_map(|first| Some(format!("bytes={first}-"))),
        1 => (0u64..30).prop_map(|len| Some(format!("bytes=-{len}"))),
        1 => Just(Some("bytes=0-1,4-5".to_owned())),
        1 => prop::collection::vec((0u64..30, 0u64..4), 2..4).prop_map(|ranges| {
            let specs = ranges.iter().map(|(first, more)| format!("{first}-{}", first + more));
            Some(format!("bytes={}", specs.collect::<Vec<_>>().join(",")))
        }),
        1 => Just(Some("bytes=9-1".to_owned())),
        1 => Just(None),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    let rarely = || prop::bool::weighted(0.05);
    let some = || prop_oneof![4 => Just(0u64), 1 => 1u64..4];
    (rarely(), rarely(), prop::bool::weighted(0.8), prop::bool::weighted(0.9), some(), some()).prop_map(
        |(ignores_range, ignores_if_range, says_length, says_validators, early, short)| Manner {
            ignores_range,
            ignores_if_range,
            says_length,
            says_validators,
            early,
            short,
        },
    )
}

/// Four of them, of any lengths or of one, in which a mixture would not be told by its length.
fn versions() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let of = |len| prop::collection::vec(prop::collection::vec(any::<u8>(), len), 4);
    prop_oneof![of(1..30), (1usize..30).prop_flat_map(move |len| of(len..len + 1))]
}

fn step() -> impl Strategy<Value = Step> {
    let ask = (asked_range(), prop::option::weighted(0.2, 0usize..4), manner())
        .prop_map(|(range, if_range, manner)| Step::Ask { range, if_range, manner });
    prop_oneof![8 => ask, 1 => Just(Step::Change)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    /// Whatever is asked for and however the origin answers, what is kept and given are bytes of one version.
    #[test]
    fn parts_are_of_one_version(
        validators in prop::sample::select(vec![
            Validators::StrongTag, Validators::StrongTag, Validators::StrongDate,
            Validators::WeakTag, Validators::WeakDate, Validators::None,
        ]),
        versions in versions(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let cache = run(validators, versions, steps);
        let weak = matches!(validators, Validators::WeakTag | Validators::WeakDate | Validators::None);
        prop_assert!(!weak || cache.joined == 0, "only strong validators combine");
    }

    /// Ranges and a whole response: both functions say the same.
    #[test]
    fn a_whole_response_is_a_part_of_itself(value in asked_range(), len in 0u64..30) {
        let lines = [("Cache-Control", "max-age=60")];
        let plain = admit(&get(&[]), &RequestFacts::default(), &response(200, &lines), times(0), None, &Profile::default());
        let record = plain.expect("storable").record;
        let request = get(&[("Range", value.as_deref().unwrap_or_default())]);
        let facts = RequestFacts::of(&request);
        let expected = match part_answer(&request.fields, &facts, len, &record) {
            PartAnswer::Covers(found) => {
                prop_assert_eq!(found.body.start, found.content_range.first);
                RangeAnswer::Part(found.body)
            }
            PartAnswer::CoversAll(found) => {
                prop_assert!(found.len() > 1);
                RangeAnswer::Parts(found.into_iter().map(|range| range.body).collect())
            }
            PartAnswer::Unsatisfiable { complete_len } => {
                prop_assert_eq!(complete_len, len);
                RangeAnswer::Unsatisfiable
            }
            _ => RangeAnswer::Whole,
        };
        prop_assert_eq!(range(&request.fields, &facts, len, &record), expected);
        prop_assert_eq!(missing_for(&request.fields, &facts, len, &record), Completion::Nothing);
    }

    /// Whatever stands in Content-Range, Range and the record, nothing panics, and what is read is consistent.
    #[test]
    fn parts_are_total(
        text in prop_oneof![
            "bytes [0-9]{0,21}-[0-9]{0,21}/([0-9]{0,21}|\\*)",
            "(bytes|items)[ =][0-9*/, -]{0,12}",
            ".{0,30}",
        ],
        asked in prop_oneof!["bytes=[0-9]{0,21}-[0-9]{0,21}", "bytes=[0-9, -]{0,12}", ".{0,30}"],
        part in prop::option::of((any::<u64>(), prop::option::of(any::<u64>()))),
        len in prop_oneof![any::<u64>(), 0u64..100],
    ) {
        let mut answer = response(206, &[("Cache-Control", "max-age=60"), ("ETag", "\"a\"")]);
        // Text that is no field value never gets here.
        let _ = answer.fields.append("Content-Range", &text);
        if let Some(found) = content_range(&answer.fields) {
            prop_assert!(found.first <= found.last && found.complete_len.is_none_or(|len| found.last < len));
            prop_assert_eq!(found.body_len(), found.end() - found.first);
            let _ = (found.is_whole(), found.is_worth_filling());
        }
        let mut request = get(&[]);
        let _ = request.fields.append("Range", &asked);
        let facts = RequestFacts::of(&request);
        let stored = admit(&get(&[]), &RequestFacts::default(), &response(200, &[("ETag", "\"a\"")]), times(0), None, &Profile::default());
        let mut stored = stored.expect("storable");
        let part = part.map(|(first, complete_len)| Part { first, complete_len });
        stored.record.set_rare(|rare| rare.part = part);
        if let PartAnswer::Covers(found) = part_answer(&request.fields, &facts, len, &stored.record) {
            prop_assert!(found.body.start < found.body.end && found.body.end <= len);
        }
        if let Completion::Fetch(fetch) = missing_for(&request.fields, &facts, len, &stored.record) {
            prop_assert!(fetch.stored.start < fetch.stored.end && fetch.stored.end == len);
            prop_assert_eq!(fetch.fields(&request.fields).get_all("range").count(), 1);
        }
        let entry = Stored { record: &stored.record, head: &stored.head };
        if let Combine::Append(append) = combines(entry, len, &request, &answer) {
            prop_assert_eq!(append.body_len, len + append.fetched_len - append.skip);
            let _ = combined((entry, None), &append, &request, &facts, &answer, times(1), &Profile::default());
        }
        if let Ok(join) = joins(None, Some((entry, len)), &request, &answer) {
            prop_assert_eq!(join.body_len, len + join.fetched_len - join.overlap);
            prop_assert!(join.overlap < len && join.skip == 0);
        }
        let _ = admit(&request, &facts, &answer, times(0), None, &Profile::default());
    }
}

/// An origin that does what it is asked to, and says all it can.
const POLITE: Manner = Manner {
    ignores_range: false,
    ignores_if_range: false,
    says_length: true,
    says_validators: true,
    early: 0,
    short: 0,
};

/// The model is no idle machine: the plain run of a client that reads on, and one that wants it all then.
#[test]
fn a_part_grows_until_it_is_whole() {
    let ask =
        |range: Option<&str>| Step::Ask { range: range.map(str::to_owned), if_range: None, manner: POLITE };
    let content: Vec<u8> = (0..30).collect();
    let steps = vec![ask(Some("bytes=0-9")), ask(Some("bytes=10-14")), ask(Some("bytes=5-19")), ask(None)];
    for validators in [Validators::StrongTag, Validators::StrongDate] {
        let cache = run(validators, vec![content.clone()], steps.clone());
        assert_eq!(cache.joined, 3);
        let [whole] = &cache.entries[..] else { panic!("{} entries", cache.entries.len()) };
        assert_eq!((whole.record.part, &whole.body, whole.record.response_time), (None, &content, at(1)));
    }
    let changed = vec![ask(Some("bytes=0-9")), Step::Change, ask(None)];
    let cache = run(Validators::StrongTag, vec![content, vec![7; 20]], changed);
    assert_eq!((cache.joined, cache.entries.len(), &cache.entries[0].body), (0, 1, &vec![7; 20]));
}

/// Nor does it grow at its end alone: towards its beginning, and from two parts at once.
#[test]
fn parts_grow_together() {
    let ask = |range: &str, says_length: bool| {
        let manner = Manner { says_length, ..POLITE };
        Step::Ask { range: Some(format!("bytes={range}")), if_range: None, manner }
    };
    let content: Vec<u8> = (0..30).collect();
    let joined =
        |validators, steps: &[Step]| run(validators, vec![content.clone(), vec![7; 30]], steps.to_vec());
    for validators in [Validators::StrongTag, Validators::StrongDate] {
        for steps in [
            &[ask("20-29", true), ask("10-19", true), ask("0-9", true)][..],
            &[ask("20-29", true), ask("0-9", true), ask("10-19", true)],
            // A length that is known of one part alone is that of all of them.
            &[ask("20-29", false), ask("0-9", true), ask("10-19", false)],
            &[ask("20-29", true), ask("10-23", true), ask("0-11", false)],
        ] {
            let cache = joined(validators, steps);
            let [whole] = &cache.entries[..] else { panic!("{steps:?}: {} entries", cache.entries.len()) };
            assert_eq!((whole.record.part, &whole.body), (None, &content), "{steps:?}");
        }
        let unknown = joined(validators, &[ask("20-29", false), ask("10-19", false), ask("0-9", false)]);
        let part = unknown.entries.last().and_then(|entry| entry.record.part);
        assert_eq!(part, Some(Part { first: 0, complete_len: None }), "nobody knows that this is all");
        let changed = joined(validators, &[ask("20-29", true), Step::Change, ask("10-19", true)]);
        assert_eq!(changed.joined, 0);
    }
    for validators in [Validators::WeakTag, Validators::WeakDate, Validators::None] {
        assert_eq!(joined(validators, &[ask("20-29", true), ask("10-19", true)]).joined, 0, "{validators:?}");
    }
}
