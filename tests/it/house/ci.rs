//! The examples for CI systems: they are valid, and they do what they promise on a simulated runner.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;

use crate::support::sandbox::{Sandbox, has, names, skip_unless, words};

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(name);
    fs::read_to_string(path).unwrap()
}

/// Returns what a YAML parser reads. Returns `None` if there is no parser.
fn parsed(yaml: String) -> Option<Value> {
    let sandbox = Sandbox::new();
    let python = |script: &str| sandbox.sh(&format!("python3 -c '{script}'"));
    let has_parser = has("python3") && python("import yaml").run().status == Some(0);
    if !skip_unless(has_parser, "python3-yaml") {
        return None;
    }
    // YAML 1.1 reads the key `on` as a truth value.
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    Some(python(script).input(yaml).succeeds().json().remove(0))
}

/// Returns the keys of a mapping, sorted.
fn keys(mapping: &Value) -> Vec<&str> {
    mapping.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A step of a workflow.
#[derive(Debug)]
struct Step {
    name: String,
    /// Whether it runs even if an earlier step has failed.
    always: bool,
    script: String,
}

/// Returns the steps of the one job in a workflow, of which each is a name and a script.
fn steps(workflow: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = workflow.lines().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(name) = text.strip_prefix("- name: ") {
            steps.push(Step { name: name.to_owned(), always: false, script: String::new() });
        } else if text == "if: always()" {
            steps.last_mut().unwrap().always = true;
        } else if text == "run: |" {
            let deeper = |line: &&str| line.len() - line.trim_start().len() > indent;
            while let Some(line) = lines.next_if(deeper) {
                let script = &mut steps.last_mut().unwrap().script;
                script.extend([&line[indent + 2..], "\n"]);
            }
        }
    }
    steps
}

/// Runs the steps as GitHub's runner does: one worker for a job, one `bash -e` for a step, and
/// `GITHUB_ENV` from step to step. It waits for a line on standard input before each step after the
/// second, and prints the name of a step when it has ended.
const WORKER: &str = r#"
    touch env
    i=0
    for step in steps/*; do
        i=$((i + 1))
        if [ "$i" -gt 2 ]; then read -r _; fi
        case $status$step in
        1*always) ;;
        1*) continue ;;
        esac
        (set -a; . ./env; exec bash -e "$step") || status=1
        echo "ended ${step#*/}"
    done
    exit "${status:-0}"
"#;

/// A job of a simulated runner.
struct Job {
    worker: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Job {
    /// Starts a job in a directory of its own. `extra` is appended to the second step.
    fn start(sandbox: &Sandbox, id: &str, extra: &str) -> Self {
        let dir = sandbox.cwd().join(id);
        fs::create_dir_all(dir.join("steps")).unwrap();
        for (n, step) in steps(&example("github.yml")).iter().enumerate() {
            let when = if step.always { "always" } else { "success" };
            let more = if n == 1 { extra } else { "" };
            fs::write(dir.join(format!("steps/{n}-{when}")), step.script.clone() + more).unwrap();
        }
        fs::write(dir.join("worker"), WORKER).unwrap();
        // The worker is not the leader of a group: a runner does not begin one for each job.
        let run = sandbox.shell("bash", "exec bash ./worker").cwd(&dir);
        let run = run.env("GITHUB_ENV", dir.join("env")).env("GITHUB_RUN_ID", id);
        let run = run.env("GITHUB_RUN_ATTEMPT", "1").env("GITHUB_JOB", "build").env("INDEX", "0");
        let mut worker = run.env("TMPX_TTL", "6h").spawn();
        let output = BufReader::new(worker.stdout.take().unwrap());
        Self { worker, output }
    }

    /// Waits for the end of a step.
    fn wait_for(&mut self, step: &str) {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if line.ends_with(&format!("ended {step}\n")) {
                return;
            }
        }
        panic!("{step} has not ended: {line}");
    }

    fn go_on(&mut self) {
        use std::io::Write as _;
        self.worker.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn work_dir(sandbox: &Sandbox, id: &str) -> PathBuf {
        let env = fs::read_to_string(sandbox.cwd().join(id).join("env")).unwrap();
        let path = env.lines().find_map(|line| line.strip_prefix("WORK="));
        PathBuf::from(path.unwrap())
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

#[test]
fn the_workflow_is_yaml_with_the_keys_that_github_knows() {
    let Some(workflow) = parsed(example("github.yml")) else { return };
    assert_eq!(keys(&workflow), ["env", "jobs", "name", "true"]);
    assert_eq!(workflow["true"], serde_json::json!(["push"]));
    assert_eq!(workflow["env"], serde_json::json!({ "TMPX_TTL": "6h" }));
    assert_eq!(keys(&workflow["jobs"]), ["build"]);
    let job = &workflow["jobs"]["build"];
    assert_eq!(keys(job), ["runs-on", "steps"]);
    assert!(job["runs-on"].as_array().unwrap().iter().all(Value::is_string));
    let read = job["steps"].as_array().unwrap();
    let steps = steps(&example("github.yml"));
    assert_eq!(read.len(), steps.len());
    // What the simulated runner runs is what YAML means.
    for (read, step) in read.iter().zip(steps) {
        assert!(keys(read).iter().all(|key| ["env", "if", "name", "run"].contains(key)), "{read}");
        assert_eq!((&read["name"], &read["run"]), (&step.name.into(), &step.script.into()));
        assert_eq!(read["if"], if step.always { "always()".into() } else { Value::Null });
        let env = read["env"].as_object();
        assert!(env.is_none_or(|env| env.values().all(Value::is_string)), "{read}");
    }
}

#[test]
fn the_pipeline_is_yaml_with_the_keys_that_gitlab_knows() {
    let Some(pipeline) = parsed(example("gitlab.yml")) else { return };
    assert_eq!(keys(&pipeline), ["build", "default", "variables"]);
    assert_eq!(
        (keys(&pipeline["default"]), keys(&pipeline["build"])),
        (vec!["after_script"], vec!["script"])
    );
    let variables = &pipeline["variables"];
    assert_eq!(keys(variables), ["TMPX_SESSION", "TMPX_TTL"]);
    assert!(variables.as_object().unwrap().values().all(Value::is_string));
    for (read, key) in [
        (&pipeline["build"]["script"], "script"),
        (&pipeline["default"]["after_script"], "after_script"),
    ] {
        assert_eq!(*read, Value::from(gitlab_commands(key)), "{key}");
    }
}

#[test]
fn the_pod_cleans_up_where_its_container_creates() {
    let (_, block) = include_str!("../../../docs/ci.md").split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let Some(pod) = parsed(block.to_owned()) else { return };
    let spec = &pod["spec"];
    assert_eq!(keys(&pod), ["spec"]);
    assert_eq!(keys(spec), ["containers", "initContainers", "volumes"]);
    let (before, job) = (&spec["initContainers"][0], &spec["containers"][0]);
    for container in [before, job] {
        let mount = &container["volumeMounts"][0];
        assert_eq!(mount["name"], spec["volumes"][0]["name"]);
        assert!(container["image"].is_string() && container["name"].is_string());
        let value = |name: &str| {
            let mut variables = container["env"].as_array().unwrap().iter();
            variables.find(|variable| variable["name"] == name).unwrap()["value"].clone()
        };
        // Kubernetes creates what is mounted, and nothing below it.
        assert_eq!(value("TMPDIR"), mount["mountPath"]);
        let store = value("TMPX_STATE_DIR");
        assert!(
            Path::new(store.as_str().unwrap()).starts_with(mount["mountPath"].as_str().unwrap())
        );
    }
    assert_eq!(before["command"], serde_json::json!(["tmpx", "cleanup", "--other-jobs"]));
    assert_eq!(before["env"], job["env"]);
}

/// Returns the commands below a key of `gitlab.yml`.
fn gitlab_commands(key: &str) -> Vec<String> {
    let pipeline = example("gitlab.yml");
    let (_, below) = pipeline.split_once(&format!("\n  {key}:\n")).unwrap();
    below.lines().map_while(|line| line.strip_prefix("    - ")).map(str::to_owned).collect()
}

#[test]
fn the_last_commands_of_a_pipeline_clean_up_after_a_job_that_succeeds_or_fails() {
    if !has("bash") {
        return;
    }
    let pipeline = example("gitlab.yml");
    let variables = pipeline.lines().filter(|line| line.starts_with("  TMPX_"));
    let variables: String =
        variables.map(|line| "\nexport ".to_owned() + &line.trim().replace(": ", "=")).collect();
    for fails in [false, true] {
        let sandbox = Sandbox::new();
        let bash = |commands: &[String]| {
            let script = format!("set -eo pipefail{variables}\n{}\n", commands.join("\n"));
            sandbox.shell("bash", &script).env("CI_JOB_ID", "7").run()
        };
        let mut commands = gitlab_commands("script");
        if fails {
            commands.insert(2, "false".to_owned());
        }
        let job = bash(&commands);
        let result = if fails { (Some(1), "") } else { (Some(0), "the result\n") };
        assert_eq!(
            (job.status, job.stdout.as_str(), job.stderr.as_str()),
            (result.0, result.1, "")
        );
        assert_eq!(sandbox.left().len(), 1, "the job has created a directory");
        let listed = sandbox.tmpx(words("list --session gitlab-7 --json")).succeeds().json();
        assert_eq!((listed.len(), &listed[0]["state"]), (1, &"timed".into()));
        let after = bash(&gitlab_commands("after_script"));
        assert_eq!(
            (after.status, after.stderr_without_size().as_str()),
            (Some(0), "tmpx: removed 1\n")
        );
        assert_eq!((sandbox.left().len(), sandbox.leases().len()), (0, 0));
    }
}

#[test]
fn two_jobs_of_a_runner_do_not_disturb_each_other_and_a_killed_one_leaves_nothing() {
    if !has("bash") {
        return;
    }
    let sandbox = Sandbox::new();
    let mut a = Job::start(&sandbox, "a", "");
    let mut b =
        Job::start(&sandbox, "b", "tmpx cleanup --all -q; tmpx cleanup --older-than 0 -q\n");
    a.wait_for("1-success");
    b.wait_for("1-success");
    sandbox.tmpx(words("cleanup --all --quiet")).succeeds();
    let (in_a, in_b) = (Job::work_dir(&sandbox, "a"), Job::work_dir(&sandbox, "b"));
    assert!(in_a.exists() && in_b.exists(), "between two steps no shell of a job runs");
    b.worker.kill().unwrap();
    b.worker.wait().unwrap();
    // The reaper's work.
    sandbox.tmpx(words("cleanup --quiet")).succeeds();
    assert!(in_a.exists() && !in_b.exists(), "only one job was killed");
    a.go_on();
    a.wait_for("2-success");
    a.go_on();
    a.wait_for("3-always");
    assert_eq!(sandbox.left(), [""; 0], "the last step removes what the job has created");
    assert!(a.worker.wait().unwrap().success());
}

#[test]
fn the_last_step_of_a_job_cleans_up_after_a_failed_one() {
    if !has("bash") {
        return;
    }
    let sandbox = Sandbox::new();
    let mut job = Job::start(&sandbox, "a", "exit 3\n");
    job.wait_for("1-success");
    assert_eq!(sandbox.left().len(), 1);
    job.go_on();
    job.go_on();
    job.wait_for("3-always");
    assert_eq!(job.worker.wait().unwrap().code(), Some(1));
}

#[test]
fn without_a_process_above_the_steps_the_session_does_the_same() {
    if !has("bash") {
        return;
    }
    let sandbox = Sandbox::new();
    let steps = steps(&example("github.yml"));
    let scripts: Vec<&str> = steps.iter().map(|step| step.script.as_str()).collect();
    let script =
        format!("bash -e -c '{}' || exit\n", scripts.join("' || exit\n. ./env\nbash -e -c '"));
    // As in a container, where the parent of a step has the number 0.
    let script = format!("set -a; {}", script.replace("$PPID", "0"));
    let run = sandbox.shell("bash", &script).env("GITHUB_ENV", sandbox.cwd().join("env"));
    let ran = run.env("GITHUB_RUN_ID", "7").env("TMPX_TTL", "6h").run();
    assert_eq!((ran.status, ran.stderr_without_size().lines().count()), (Some(0), 1), "{ran:?}");
    assert!(!fs::read_to_string(sandbox.cwd().join("env")).unwrap().contains("UNTIL_EXIT"));
}

#[test]
fn the_scripts_of_the_examples_satisfy_shellcheck() {
    if !has("shellcheck") {
        return;
    }
    let steps = steps(&example("github.yml"));
    let named: Vec<(&str, bool)> =
        steps.iter().map(|step| (step.name.as_str(), step.always)).collect();
    let expected = [("Set up tmpx", false), ("Build", false), ("Test", false), ("Clean up", true)];
    assert_eq!(named, expected);
    let sandbox = Sandbox::new();
    for step in steps {
        let run = sandbox.sh("shellcheck -s bash -").input(step.script);
        run.expects(0, "", "");
    }
    let commands = [gitlab_commands("after_script"), gitlab_commands("script")].concat();
    let script = commands.join("\n") + "\n";
    assert_eq!(script.lines().count(), 4, "{script}");
    sandbox.sh("shellcheck -s bash -").input(script).expects(0, "", "");
}

#[test]
fn systemd_accepts_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    let sandbox = Sandbox::new();
    let service = example("tmpx-cleanup.service");
    assert!(service.contains("ExecStart=/usr/bin/tmpx cleanup --quiet\n"));
    let tmpx = sandbox.bin().join("tmpx");
    let service = service.replace("/usr/bin/tmpx", tmpx.to_str().unwrap());
    fs::write(sandbox.cwd().join("tmpx-cleanup.service"), service).unwrap();
    fs::write(sandbox.cwd().join("tmpx-cleanup.timer"), example("tmpx-cleanup.timer")).unwrap();
    let verify = "systemd-analyze verify --user --man=no $PWD/tmpx-cleanup.timer $PWD/*.service";
    sandbox.sh(verify).env("XDG_RUNTIME_DIR", sandbox.home()).expects(0, "", "");
    assert_eq!(names(&sandbox.cwd()).len(), 2);
}
