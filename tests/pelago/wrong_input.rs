//! Wrong input to real controllers: one clear line each, the documented exit
//! code, and the last good state kept.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pelago_store::{Expected, Key, RedbStore, Store as _, Swap};

use crate::process::{Running, errors, pelago, write};

/// A controller of its own folder, running.
struct Controller {
    folder: PathBuf,
    control: u16,
    process: Option<Running>,
}

impl Controller {
    fn prepare(folder: &Path, cluster: &str, trust_domain: &str) -> Self {
        let folder = folder.join(cluster);
        let [control, metrics] = free_ports();
        let config = format!(
            "apiVersion: pelago.dev/v1alpha1\nkind: ControllerConfig\ncluster: {cluster}\nnetwork: net\n\
             trustDomain: {trust_domain}\nstore: {{file: {dir}/state}}\nsources: [{{files: {dir}/mesh}}]\n\
             advertise: [\"127.0.0.1:{control}\"]\n\
             listen: {{control: \"127.0.0.1:{control}\", metrics: \"127.0.0.1:{metrics}\"}}\nadminSocket: {dir}/admin.sock\n",
            dir = folder.display(),
        );
        write(&folder, "controller.yaml", &config);
        write(&folder, "mesh/empty.yaml", "");
        let contexts = format!(
            "apiVersion: pelago.dev/v1alpha1\nkind: Contexts\ncontexts: [{{cluster: {cluster}, adminSocket: {}}}]\n",
            folder.join("admin.sock").display()
        );
        write(&folder, "contexts.yaml", &contexts);
        Self {
            folder,
            control,
            process: None,
        }
    }

    fn start(folder: &Path, cluster: &str, trust_domain: &str) -> Self {
        let mut controller = Self::prepare(folder, cluster, trust_domain);
        controller.resume();
        controller
    }

    fn resume(&mut self) {
        let mut process = Running::start(&mut self.command());
        process.says("controller serves");
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        let mut command = pelago();
        command
            .args(["run", "controller", "--config"])
            .arg(self.folder.join("controller.yaml"));
        command
    }

    /// Runs the controller where it cannot run; gives how it ended.
    fn fails(&self) -> Output {
        self.command().output().unwrap()
    }

    fn cli(&self, arguments: &[&str]) -> Output {
        pelago()
            .args(arguments)
            .env("PELAGO_CONTEXTS", self.folder.join("contexts.yaml"))
            .output()
            .unwrap()
    }

    /// Joins with a token in a file.
    fn join(&self, token: &str) -> Output {
        let file = write(&self.folder, "token", token);
        self.cli(&["peer", "join", file.to_str().unwrap(), "--yes"])
    }

    fn token(&self, more: &[&str]) -> String {
        let output = self.cli(&[&["peer", "token", "--yes"], more].concat());
        assert!(output.status.success(), "{}", errors(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn peers(&self) -> serde_json::Value {
        let output = self.cli(&["peer", "list", "-o", "json"]);
        assert!(output.status.success(), "{}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: Vec<_> = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    std::array::from_fn(|n| listeners[n].local_addr().unwrap().port())
}

fn refused(output: &Output, code: i32, says: &[&str]) {
    let errors = errors(output);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    for text in says {
        assert!(errors.contains(text), "{text:?} is missing in:\n{errors}");
    }
}

#[test]
fn configuration_that_is_not_valid() {
    let folder = tempfile::tempdir().unwrap();
    let controller = Controller::prepare(folder.path(), "east", "east.example");
    let good = std::fs::read_to_string(controller.folder.join("controller.yaml")).unwrap();
    for (from, to, says) in [
        (
            "trustDomain:",
            "trustdomain:",
            &["trustdomain", "trustDomain"][..],
        ),
        (
            "cluster: east",
            "cluster: East",
            &["cluster", "East", "DNS label"],
        ),
        ("store: {", "store: [", &["controller.yaml"]),
        (
            "advertise: [\"127.0.0.1:",
            "advertise: [\"127.0.0.1:9",
            &["advertise"],
        ),
        (
            "kind: ControllerConfig",
            "kind: NodeConfig",
            &["kind", "ControllerConfig"],
        ),
        (
            "network: net",
            "network: net\nca: {root: pkcs11}",
            &["ca.root", "pkcs11", "selfSigned"],
        ),
        (
            "network: net",
            "network: net\nca: {svid: {ttl: 1s}}",
            &["ca.svid.ttl", "1s", "20s"],
        ),
    ] {
        write(
            &controller.folder,
            "controller.yaml",
            &good.replacen(from, to, 1),
        );
        refused(&controller.fails(), 2, says);
    }
    refused(
        &pelago()
            .args(["run", "controller", "--config", "/nonexistent.yaml"])
            .output()
            .unwrap(),
        2,
        &["/nonexistent.yaml"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let controller = Controller::prepare(folder.path(), "east", "east.example");
    let taken = TcpListener::bind(("127.0.0.1", controller.control)).unwrap();
    refused(
        &controller.fails(),
        1,
        &[
            "listen.control",
            &taken.local_addr().unwrap().to_string(),
            "in use",
        ],
    );
}

#[test]
fn state_of_another_cluster_or_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut controller = Controller::start(folder.path(), "east", "east.example");
    refused(&controller.fails(), 1, &["store.redb"]);
    controller.process = None;
    let text = std::fs::read_to_string(controller.folder.join("controller.yaml")).unwrap();
    write(
        &controller.folder,
        "controller.yaml",
        &text.replace("cluster: east", "cluster: north"),
    );
    refused(&controller.fails(), 1, &["east", "north"]);
    write(
        &controller.folder,
        "controller.yaml",
        &text.replace("east.example", "north.example"),
    );
    refused(&controller.fails(), 1, &["east.example", "north.example"]);
    write(&controller.folder, "controller.yaml", &text);
    controller.resume();
}

#[test]
fn state_written_by_a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut controller = Controller::start(folder.path(), "east", "east.example");
    controller.process = None;
    let file = controller.folder.join("state/store.redb");
    let newer = br#"{"format":9,"oldest_reader":8,"writer":"pelago 9.0.0","cluster":"east"}"#;
    put(&file, "meta/schema", newer);
    refused(
        &controller.fails(),
        1,
        &["format 9", "reader 8", "upgrade pelago"],
    );
    // What is there stays as the newer release wrote it.
    assert_eq!(get(&file, "meta/schema"), newer);
}

fn put(file: &Path, key: &str, value: &[u8]) {
    block_on(async {
        let store = RedbStore::open(file).await.unwrap();
        let key = Key::new(key).unwrap();
        let swap = store
            .compare_and_swap(&key, Expected::Any, Some(value.to_vec()))
            .await
            .unwrap();
        assert!(matches!(swap, Swap::Done(_)));
    });
}

fn get(file: &Path, key: &str) -> Vec<u8> {
    block_on(async {
        let store = RedbStore::open(file).await.unwrap();
        store
            .get(&Key::new(key).unwrap())
            .await
            .unwrap()
            .unwrap()
            .value
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

#[test]
fn a_mesh_file_that_is_not_valid_keeps_its_last_good_content() {
    let folder = tempfile::tempdir().unwrap();
    let controller = Controller::start(folder.path(), "east", "east.example");
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
    write(&controller.folder, "mesh/web.yaml", service);
    let status = until(&controller, |status| status["services"] == 1);
    assert_eq!(
        status["findings"].as_array().unwrap().len(),
        0,
        "{status:#}"
    );

    write(
        &controller.folder,
        "mesh/web.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80000}]}\n",
    );
    let status = until(&controller, |status| {
        !status["findings"].as_array().unwrap().is_empty()
    });
    let finding = status["findings"][0].to_string();
    for text in ["web.yaml", "80000", "65535"] {
        assert!(finding.contains(text), "{text} is missing in {finding}");
    }
    assert_eq!(status["services"], 1, "the last good content stays");

    write(
        &controller.folder,
        "mesh/web.yaml",
        &service.replace("ports:", "prots: 1, ports:"),
    );
    let status = until(&controller, |status| {
        status["findings"].to_string().contains("prots")
    });
    assert_eq!(
        status["services"], 1,
        "a mesh resource goes on without the field: {status:#}"
    );
    refused(&controller.cli(&["status"]), 3, &["finding"]);
}

#[test]
fn tokens_that_are_expired_reused_altered_or_for_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let west = Controller::start(folder.path(), "west", "west.example");
    let east = Controller::start(folder.path(), "east", "east.example");
    let north = Controller::start(folder.path(), "north", "north.example");

    let expired = west.token(&["--ttl", "1s"]);
    // Wait for the very thing: the second after which the token is worthless.
    let issued = tokio::time::Instant::now();
    while issued.elapsed() < std::time::Duration::from_millis(2100) {
        std::thread::yield_now();
    }
    refused(&east.join(&expired), 1, &["expired", "peer token"]);

    let token = west.token(&["--export", "shop/web"]);
    refused(&east.join(&token[..token.len() - 5]), 2, &["damaged"]);
    refused(&east.join("hello"), 2, &["not a Pelago token"]);
    refused(
        &east.join(&token.replacen("pelago1.", "pelago9.", 1)),
        2,
        &["pelago9"],
    );

    // A server that is not the one the token pins never sees the secret.
    let mut forged = pelago_model::token::Token::decode(&token).unwrap();
    forged.pins = vec![pelago_model::token::Pin([7; 32])];
    refused(&east.join(&forged.encode()), 1, &["pin"]);
    assert!(east.peers().as_array().unwrap().is_empty());

    let joined = east.join(&token);
    assert!(joined.status.success(), "{}", errors(&joined));
    refused(&north.join(&token), 1, &["already", "peer token"]);
    assert!(north.peers().as_array().unwrap().is_empty());
    assert_eq!(west.peers().as_array().unwrap().len(), 1);
}

#[test]
fn a_peer_that_claims_what_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let west = Controller::start(folder.path(), "west", "west.example");
    let twin = Controller::start(&folder.path().join("1"), "west", "other.example");
    refused(&twin.join(&west.token(&[])), 1, &["west"]);
    let thief = Controller::start(&folder.path().join("2"), "east", "west.example");
    refused(&thief.join(&west.token(&[])), 1, &["west.example"]);
    assert!(west.peers().as_array().unwrap().is_empty());
}

fn until(controller: &Controller, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(15);
    loop {
        let output = controller.cli(&["status", "-o", "json"]);
        let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let status = all[0].clone();
        if holds(&status) {
            return status;
        }
        assert!(tokio::time::Instant::now() < deadline, "{status:#}");
    }
}
