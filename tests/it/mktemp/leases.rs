//! When mktemp leases what it creates.

use super::world::{TMPX, World, assert_like, run};

fn leases(world: &World) -> usize {
    if world.path("state/leases").exists() { world.names_in("state/leases").len() } else { 0 }
}

/// The output of `tmpx list --json`.
fn list(world: &World) -> String {
    let mut command = world.command(TMPX);
    command.args(["list", "--json"]);
    String::from_utf8(run(command).stdout).unwrap()
}

#[test]
fn without_a_lifetime_nothing_is_recorded() {
    let world = World::new();
    run(world.mktemp(["-d"])).printed();
    assert_eq!(world.names_in("state").len(), 0);
}

#[test]
fn a_dry_run_never_leases_its_name() {
    let world = World::new();
    let mut command = world.mktemp(["-u"]);
    command.env("TMPX_SESSION", "s");
    run(command).printed();
    world.assert_nothing_created();
}

#[test]
fn a_session_in_the_environment_leases_the_file() {
    let world = World::new();
    for (args, like) in [
        (&["-d"][..], &b"tmp.??????????"[..]),
        (&["-t", "aXXXXXX"], b"a??????"),
        (&["-p", "///", "aXXX", "-u"], b"a???"),
        (&["--tmpdir", "XXX.csv"], b"???.csv"),
    ] {
        let mut command = world.mktemp(args);
        command.env("TMPX_SESSION", "builds");
        let created = run(command).printed();
        assert_like(created.file_name().unwrap(), like);
        assert_eq!(created.exists(), !args.contains(&"-u"));
    }
    assert_eq!(leases(&world), 3);
    assert!(list(&world).contains(r#""session":"builds""#));
    let cleaned = run(world.shell("tmpx cleanup -q --session builds"));
    assert_eq!(cleaned.status, Some(0));
    assert_eq!(world.names_in("tmp").len() + leases(&world), 0);
}

#[test]
fn a_leased_path_is_printed_as_the_caller_wrote_it() {
    let world = World::new();
    std::fs::create_dir(world.path("cwd/d")).unwrap();
    for (args, like) in [
        (&["aXXXXXXX"][..], &b"a???????"[..]),
        (&[".//d//aXXXX.t"], b".//d//a????.t"),
        (&["-p", "d//", "aXXX"], b"d/a???"),
        (&["-d", "XXXXXX", "--suffix=a/"], b"??????a/"),
    ] {
        let mut command = world.mktemp(args);
        command.env("TMPX_SESSION", "s");
        let created = run(command).printed();
        assert_like(created.as_os_str(), like);
        assert!(world.path("cwd").join(created).exists());
    }
    assert_eq!(leases(&world), 4);
}

#[test]
fn a_failed_leased_creation_prints_the_message_of_an_unleased_one() {
    let world = World::new();
    std::fs::write(world.path("cwd/f"), "").unwrap();
    let long = format!("{}XXX", "a".repeat(300));
    for args in [
        vec!["-p", "nodir"],
        vec!["-d", "f/XXX"],
        vec!["XXXXXXa/"],
        vec![long.as_str()],
        vec!["-q", "nodir/XXXXXXXXXX"],
    ] {
        let unleased = run(world.mktemp(&args));
        let mut command = world.mktemp(&args);
        command.env("TMPX_SESSION", "s");
        let leased = run(command);
        assert_eq!(leased, unleased);
        assert_eq!(leased.status, Some(1));
    }
    assert_eq!(leases(&world), 0);
    assert_eq!(world.names_in("cwd"), ["f"]);
}

#[test]
fn a_file_leased_until_exit_is_removed_by_a_cleanup_after_the_script() {
    let world = World::new();
    let line = "export TMPX_UNTIL_EXIT=$$; f=$(mktemp | cat); d=$(mktemp -d); tmpx cleanup -q; \
                test -f \"$f\" && test -d \"$d\"";
    assert_eq!(run(world.shell(line)).status, Some(0));
    assert_eq!(world.names_in("tmp").len(), 2);
    assert_eq!(run(world.shell("tmpx cleanup -q")).status, Some(0));
    assert_eq!(world.names_in("tmp").len() + leases(&world), 0);
}

#[test]
fn a_stale_until_exit_is_ignored_silently() {
    let world = World::new();
    for stale in ["999999999", "1x", "", "0", "-1"] {
        let mut command = world.mktemp([""; 0]);
        command.env("TMPX_UNTIL_EXIT", stale);
        run(command).printed();
    }
    // A live process that is not an ancestor is ignored too.
    let mut neighbor = world.command("sleep").arg("60").spawn().unwrap();
    let mut command = world.mktemp(["-d"]);
    command.env("TMPX_UNTIL_EXIT", neighbor.id().to_string());
    let ran = run(command);
    neighbor.kill().unwrap();
    neighbor.wait().unwrap();
    ran.printed();
    assert_eq!(leases(&world), 0);
}

#[test]
fn a_ttl_in_the_environment_leases_the_file() {
    let world = World::new();
    let mut command = world.mktemp([""; 0]);
    command.env("TMPX_TTL", "1h").env("TMPX_UNTIL_EXIT", "999999999");
    run(command).printed();
    assert!(list(&world).contains(r#""ttl""#), "{}", list(&world));
}

#[test]
fn an_invalid_lifetime_is_refused_and_nothing_is_created() {
    let world = World::new();
    let mut command = world.mktemp([""; 0]);
    command.env("TMPX_TTL", "soon");
    let ran = run(command);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.starts_with("mktemp: TMPX_TTL=soon: "), "{}", ran.stderr);
    world.assert_nothing_created();
}

#[test]
fn an_unwritable_lease_is_reported_and_nothing_is_created() {
    let world = World::new();
    std::fs::write(world.path("state/none"), "").unwrap();
    let state = world.text("state/none/below");
    for (args, is_quiet) in [(&[][..], false), (&["-q"], true)] {
        let mut command = world.mktemp(args);
        command.env("TMPX_SESSION", "s").env("TMPX_STATE_DIR", &state);
        let ran = run(command);
        assert_eq!(ran.status, Some(1));
        let message =
            format!("mktemp: could not write to the state directory {state}: Not a directory\n");
        assert_eq!(ran.stderr, if is_quiet { String::new() } else { message });
    }
    assert_eq!(world.names_in("tmp").len(), 0);
}
