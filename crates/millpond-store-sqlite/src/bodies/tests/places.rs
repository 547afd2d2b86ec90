//! Where files lie, and directories that vanish.

use super::*;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let (parent, bodies) = bodies();
    let victim = parent.path().join("victim");
    fs::write(&victim, b"precious").expect("it writes");
    fs::write(bodies.dir().join("victim"), b"precious").expect("it writes");
    let kept = keep(&bodies, b"content", false, ID);
    let upper = "AB".repeat(16);
    let shorter = &kept.name[1..];
    let longer = format!("{}0", kept.name);
    let inside = format!("{}/../../victim", &kept.name[..2]);
    let long = format!("{}victim", "../".repeat(8) + "./");
    let wide = "é".repeat(16);
    let names = [
        "",
        ".",
        "..",
        "tmp",
        "victim",
        "../victim",
        "/etc/passwd",
        "\0",
        &upper,
        shorter,
        &longer,
        &inside,
        &long,
        &wide,
    ];
    for name in names.into_iter().chain(victim.to_str()) {
        let opened = bodies.reader(name, &kept.table, kept.len, ID);
        assert!(matches!(opened, Err(BodyFault::Damaged(_))), "{name:?}");
        let removed = bodies.remove(name).map_err(|error| error.kind());
        assert_eq!(removed, Err(io::ErrorKind::InvalidInput), "{name:?}");
        assert_eq!(path_in(bodies.dir(), name), None, "{name:?}");
    }
    assert!(victim.exists() && bodies.dir().join("victim").exists());
    assert!(read(&bodies, &kept, ID).is_ok());
}

#[test]
fn reading_alone_makes_nothing() {
    let parent = tempfile::tempdir().expect("a directory");
    let bodies = Bodies::at(parent.path().join("bodies"));
    let missing = bodies.reader(&"0".repeat(32), &[1], 0, ID).map(drop);
    assert!(matches!(missing, Err(BodyFault::Missing)));
    bodies.remove(&"0".repeat(32)).expect("nothing to do");
    assert_eq!(bodies.remove_dead().expect("nothing to do"), 0);
    let swept = bodies.sweep_orphans(10, std::time::UNIX_EPOCH, |_| Ok(false)).expect("nothing to do");
    assert_eq!(swept, Swept { round: true, ..Swept::default() });
    assert!(!bodies.dir().exists());
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_when_it_is_opened() {
    let parent = tempfile::tempdir().expect("a directory");
    let file = parent.path().join("file");
    fs::write(&file, b"").expect("it writes");
    assert!(Bodies::open(file.join("bodies")).is_err());
    assert!(Bodies::open(file).is_err());
}

#[test]
fn the_directory_may_vanish_and_comes_again() {
    let (_parent, bodies) = bodies();
    let content = mixed(2 * CHUNK + 1);
    let lost = keep(&bodies, &content, true, ID);
    let mut cut = bodies.create(true, ID).expect("it begins");
    cut.write(&content[..CHUNK]).expect("it writes");
    let handle = cut.handle();
    fs::remove_dir_all(bodies.dir()).expect("it goes");
    // What was begun goes on for those who read it, but cannot be kept.
    cut.write(&content[CHUNK..]).expect("it writes");
    assert!(handle.read_at(0).expect("it reads") == content[..CHUNK]);
    cut.finish().expect_err("its file is gone");
    assert!(matches!(read(&bodies, &lost, ID), Err(BodyFault::Missing)));
    for _ in 0..2 {
        let kept = keep(&bodies, &content, true, ID);
        assert!(read(&bodies, &kept, ID).expect("it reads") == content);
        // The new directory is locked as the first was.
        assert_eq!(Bodies::at(bodies.dir().to_owned()).remove_dead().expect("it looks"), 0);
        fs::remove_dir_all(bodies.dir().join("tmp")).expect("it goes");
    }
    assert_eq!(files(bodies.dir()).len(), 2);
}

#[test]
fn the_directory_may_be_moved_while_a_body_is_written() {
    let (parent, bodies) = bodies();
    let mut moved = bodies.create(true, ID).expect("it begins");
    moved.write(&text(CHUNK)).expect("it writes");
    let aside = parent.path().join("aside");
    fs::rename(bodies.dir(), &aside).expect("it moves");
    let kept = keep(&bodies, b"content", false, ID);
    moved.finish().expect_err("its file is elsewhere");
    assert_eq!(read(&bodies, &kept, ID).expect("it reads"), b"content");
    // Nobody writes there any longer, so what was left is found.
    assert_eq!(files(&aside).len(), 1);
    assert_eq!(Bodies::at(aside.clone()).remove_dead().expect("it looks"), 1);
    assert!(files(&aside).is_empty());
}

#[test]
fn what_dead_processes_left_is_removed_and_what_living_ones_write_is_not() {
    let (parent, bodies) = bodies();
    let tmp = bodies.dir().join("tmp");
    let [dead, bare, empty, mixed] = ["d", "b", "e", "1"].map(|digit| tmp.join(digit.repeat(32)));
    let foreign = tmp.join("foreign");
    for dir in [&dead, &bare, &empty, &mixed, &foreign] {
        fs::create_dir(dir).expect("a directory");
    }
    fs::write(dead.join("lock"), b"").expect("it writes");
    fs::write(dead.join("0".repeat(32)), b"torn").expect("it writes");
    fs::create_dir_all(mixed.join("0".repeat(32)).join("deeper")).expect("a directory");
    let strange = [mixed.join("notes"), foreign.join("0".repeat(32)), foreign.join("notes")];
    for file in &strange {
        fs::write(file, b"precious").expect("it writes");
    }
    fs::write(mixed.join("2".repeat(32)), b"torn").expect("it writes");
    fs::write(bare.join("0".repeat(32)), b"torn").expect("it writes");
    let outside = parent.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("precious"), b"precious").expect("it writes");
    std::os::unix::fs::symlink(&outside, tmp.join("link")).expect("a link");
    fs::write(tmp.join("file"), b"").expect("it writes");

    let mut writer = bodies.create(false, ID).expect("it begins");
    writer.write(&noise(CHUNK)).expect("it writes");
    // Another process begins: locks are those of open files, so it need not be another process here.
    let other = Bodies::open(bodies.dir().to_owned()).expect("it opens");
    assert!(!dead.exists() && !bare.exists() && !empty.exists());
    // What is not of our form is somebody else's.
    assert!(strange.iter().all(|file| file.exists()) && mixed.join("0".repeat(32)).join("deeper").exists());
    assert!(!mixed.join("2".repeat(32)).exists() && !foreign.join("lock").exists());
    assert!(outside.join("precious").exists() && tmp.join("file").exists());
    let mut second = other.create(false, ID).expect("it begins");
    second.write(&noise(CHUNK)).expect("it writes");
    assert_eq!((bodies.remove_dead().expect("it looks"), other.remove_dead().expect("it looks")), (0, 0));
    // A body that is still written keeps the lock, whatever became of the store.
    drop((bodies, other));
    let third = Bodies::open(tmp.parent().expect("a parent").to_owned()).expect("it opens");
    let kept = [writer, second].map(|writer| writer.finish().expect("it finishes"));
    for kept in &kept {
        assert!(read(&third, kept, ID).expect("it reads") == noise(CHUNK));
    }
}

#[test]
fn a_link_in_place_of_a_directory_is_not_followed() {
    for tmp_only in [false, true] {
        let (parent, bodies) = bodies();
        let (outside, dir) = (parent.path().join("outside"), bodies.dir().to_owned());
        drop(bodies);
        let shape = "a".repeat(32);
        let precious = [outside.join("tmp").join(&shape), outside.join("aa"), outside.join(&shape)];
        for dir in &precious {
            fs::create_dir_all(dir).expect("a directory");
            fs::write(dir.join(&shape), b"precious").expect("it writes");
        }
        let link = if tmp_only { dir.join("tmp") } else { dir.clone() };
        fs::remove_dir_all(&link).expect("it goes");
        std::os::unix::fs::symlink(&outside, &link).expect("a link");
        let told = Bodies::open(dir.clone()).err().expect("it is refused").to_string();
        assert!(told.contains("symbolic link") && told.contains(&*link.to_string_lossy()), "{told}");
        let at = Bodies::at(dir);
        assert!(at.remove_dead().is_err() && at.create(false, ID).is_err());
        assert!(at.sweep_orphans(100, std::time::SystemTime::UNIX_EPOCH, |_| Ok(false)).is_err());
        assert!(precious.iter().all(|dir| dir.join(&shape).exists()));
        assert_eq!(fs::read_dir(&outside).expect("it is there").count(), 3);
    }
}

#[test]
fn a_store_that_is_closed_leaves_no_directory() {
    let (_parent, bodies) = bodies();
    let tmp = bodies.dir().join("tmp");
    let writer = bodies.create(false, ID).expect("it begins");
    drop(bodies);
    assert_eq!(fs::read_dir(&tmp).expect("it is there").count(), 1);
    drop(writer);
    assert_eq!(fs::read_dir(&tmp).expect("it is there").count(), 0);
}

/// Ends the other threads, also when a check fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn those_who_begin_and_those_who_clear_up_do_not_hurt_each_other() {
    let (_parent, bodies) = bodies();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sweeper = Bodies::at(bodies.dir().to_owned());
        let (done, _ends) = (&done, Ends(&done));
        for _ in 0..2 {
            let sweeper = sweeper.clone();
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    sweeper.remove_dead().expect("it clears up");
                }
            });
        }
        for _ in 0..100 {
            let other = Bodies::at(bodies.dir().to_owned());
            let kept = keep(&other, b"content", false, ID);
            assert_eq!(read(&bodies, &kept, ID).expect("it reads"), b"content");
        }
    });
}
