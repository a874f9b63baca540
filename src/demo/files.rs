//! The files of the demo: configuration of every process and the resources of
//! each mesh, written as a person would write them.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::layout::{CLUSTERS, Layout, MEMBERS, Member, port};
use crate::contexts::{Context, Contexts};
use crate::failure::Failure;
use pelago_model::ClusterId;

/// Writes every file.
///
/// # Errors
/// Exit code 1 when one cannot be written.
pub(super) fn write_all(layout: &Layout) -> Result<(), Failure> {
    for cluster in CLUSTERS {
        write(
            &layout.cluster(cluster).join("controller.yaml"),
            &controller(layout, cluster),
        )?;
        write(
            &layout.cluster(cluster).join("gateway.yaml"),
            &gateway(layout, cluster),
        )?;
        write(
            &layout.cluster(cluster).join("mesh/policy.yaml"),
            policy(cluster),
        )?;
    }
    for member in &MEMBERS {
        write(
            &layout
                .cluster(member.cluster)
                .join(format!("{}.yaml", member.name)),
            &node(layout, member),
        )?;
        write_member(layout, member, true)?;
        let page = layout.dir.join("www").join(member.id().replace('/', "-"));
        std::fs::create_dir_all(&page).map_err(Failure::failed)?;
        write(&page.join("index.html"), &format!("{}\n", says(member)))?;
    }
    let contexts = CLUSTERS
        .map(|cluster| {
            Ok(Context {
                cluster: ClusterId::parse(cluster).map_err(Failure::failed)?,
                admin_socket: admin(layout, cluster),
            })
        })
        .into_iter()
        .collect::<Result<_, Failure>>()?;
    write(&layout.contexts(), &Contexts { contexts }.to_yaml()?)
}

/// Writes the resources of one workload; `failover` is for the control run.
///
/// # Errors
/// Exit code 1 when the file cannot be written.
pub(super) fn write_member(
    layout: &Layout,
    member: &Member,
    failover: bool,
) -> Result<(), Failure> {
    let path = layout
        .cluster(member.cluster)
        .join("mesh")
        .join(format!("{}.yaml", member.name));
    write(&path, &resources(layout, member, failover))
}

/// The configuration of a third cluster, which the demo lets try a used token.
///
/// # Errors
/// Exit code 1 when the file cannot be written.
pub(super) fn write_stranger(layout: &Layout, cluster: &str) -> Result<Context, Failure> {
    std::fs::create_dir_all(layout.cluster(cluster).join("mesh")).map_err(Failure::failed)?;
    write(
        &layout.cluster(cluster).join("controller.yaml"),
        &controller(layout, cluster),
    )?;
    let context = Context {
        cluster: ClusterId::parse(cluster).map_err(Failure::failed)?,
        admin_socket: admin(layout, cluster),
    };
    let contexts = Contexts {
        contexts: vec![context.clone()],
    };
    write(
        &layout.cluster(cluster).join("contexts.yaml"),
        &contexts.to_yaml()?,
    )?;
    Ok(context)
}

/// The admin socket of a cluster's controller.
#[must_use]
pub(super) fn admin(layout: &Layout, cluster: &str) -> std::path::PathBuf {
    layout.socket(&format!("{cluster}/controller"))
}

/// What a workload answers.
#[must_use]
pub(super) fn says(member: &Member) -> String {
    format!("{} in {}", member.name, member.cluster)
}

fn controller(layout: &Layout, cluster: &str) -> String {
    let dir = layout.cluster(cluster);
    let ip = layout.controller(cluster);
    format!(
        "\
apiVersion: pelago.dev/v1alpha1
kind: ControllerConfig
cluster: {cluster}
network: {cluster}-net
trustDomain: {cluster}.example
store: {{file: {state}}}
sources: [{{files: {mesh}}}]
advertise: [\"{gateway}\"]
listen: {{control: \"{ip}:{control}\", metrics: \"{ip}:{metrics}\"}}
adminSocket: {admin}
",
        state = dir.join("state/controller").display(),
        mesh = dir.join("mesh").display(),
        gateway = layout.gateway(cluster),
        control = port::CONTROL,
        metrics = port::CONTROLLER_METRICS,
        admin = admin(layout, cluster).display(),
    )
}

fn gateway(layout: &Layout, cluster: &str) -> String {
    let dir = layout.cluster(cluster);
    let address = layout.gateway(cluster);
    let ip = address.ip();
    format!(
        "\
apiVersion: pelago.dev/v1alpha1
kind: GatewayConfig
name: gw
role: east-west
network: {cluster}-net
controller: \"{controller}:{control}\"
tokenFile: {token}
state: {state}
advertise: [\"{address}\"]
listen: {{gateway: \"{address}\", metrics: \"{ip}:{metrics}\", health: \"{ip}:{health}\"}}
",
        controller = layout.controller(cluster),
        control = port::CONTROL,
        token = dir.join("gateway.token").display(),
        state = dir.join("state/gateway").display(),
        metrics = port::METRICS,
        health = port::HEALTH,
    )
}

fn node(layout: &Layout, member: &Member) -> String {
    let dir = layout.cluster(member.cluster);
    let ip = layout.subnet.host(member.host);
    format!(
        "\
apiVersion: pelago.dev/v1alpha1
kind: NodeConfig
name: {name}
network: {cluster}-net
controller: \"{controller}:{control}\"
tokenFile: {token}
state: {state}
capture: {{mode: socks}}
listen: {{hbone: \"{ip}:{hbone}\", socks: \"{ip}:{socks}\", metrics: \"{ip}:{metrics}\", health: \"{ip}:{health}\"}}
socket: {socket}
",
        name = member.name,
        cluster = member.cluster,
        controller = layout.controller(member.cluster),
        control = port::CONTROL,
        token = dir.join(format!("{}.token", member.name)).display(),
        state = dir.join("state").join(member.name).display(),
        hbone = port::HBONE,
        socks = port::SOCKS,
        metrics = port::METRICS,
        health = port::HEALTH,
        socket = layout.socket(&member.id()).display(),
    )
}

fn resources(layout: &Layout, member: &Member, failover: bool) -> String {
    let name = member.name;
    let mut text = format!(
        "\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: {name}-1
  namespace: shop
  annotations: {{pelago.dev/node: {name}}}
spec:
  address: {address}
  labels: {{app: {name}}}
  serviceAccount: {name}
---
apiVersion: pelago.dev/v1alpha1
kind: RegistrationEntry
metadata: {{name: {name}, namespace: shop}}
spec:
  spiffeId: {spiffe_id}
  node: {name}
  selectors: [\"unix:uid:{uid}\"]
",
        address = layout.subnet.host(member.host),
        spiffe_id = member.spiffe_id(),
        uid = nix::unistd::geteuid(),
    );
    if member.serves {
        text.push_str(&service(name, failover));
    }
    if matches!(name, "api" | "orders") {
        text.push_str(&export(name));
    }
    text
}

fn service(name: &str, failover: bool) -> String {
    // `api` is served in both clusters and asked everywhere alike.
    let annotations = match (name, failover) {
        ("api", true) => "\n  annotations: {pelago.dev/locality: spread}",
        ("api", false) => {
            "\n  annotations: {pelago.dev/locality: spread, pelago.dev/failover: \"off\"}"
        }
        _ => "",
    };
    format!(
        "\
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: shop{annotations}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: {port}}}]
",
        port = port::APP,
    )
}

fn export(name: &str) -> String {
    format!(
        "\
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {{name: {name}, namespace: shop}}
"
    )
}

fn policy(cluster: &str) -> &'static str {
    if cluster == "east" {
        EAST_POLICY
    } else {
        WEST_POLICY
    }
}

const EAST_POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web-not-for-api, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  action: DENY
  rules:
  - from: [{source: {principals: [east.example/ns/shop/sa/api]}}]
";

const WEST_POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders-for-the-shop, namespace: shop}
spec:
  selector: {matchLabels: {app: orders}}
  action: ALLOW
  rules:
  - from: [{source: {principals: [\"east.example/ns/shop/sa/*\"]}}]
    to: [{operation: {ports: [\"8080\"]}}]
";

/// Writes a file at once: readers see the old or the new text, never a part.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(|error| {
            Failure::Failed(
                anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
            )
        })
}

/// Writes a secret for our own user alone.
///
/// # Errors
/// Exit code 1 when it cannot be written.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            Failure::Failed(
                anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
            )
        })
}
