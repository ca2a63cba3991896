//! Three programs, one behind the other, before one server: ours, and HAProxy, nginx and HAProxy as the recipes set them up.
//!
//! What differs from the recipes: connections are not ended after a thousand requests, and there is room for a thousand of
//! them.

use std::net::SocketAddr;
use std::path::Path;

use lab::binaries::Binaries;
use lab::plan::Role;
use tests::programs;

use super::peer::Peer;
use super::requests;

/// The name on the certificate.
pub(crate) const HOST: &str = "api.myshop.com";
/// Connections at once, of each program.
const CONNECTIONS: usize = 4096;

/// An edge, an ingress and a Service.
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    programs: [Peer; 3],
}

impl Chain {
    async fn ready(self, folder: &Path) -> anyhow::Result<Chain> {
        let [edge, ..] = &self.programs;
        edge.answers(async || requests::answers(edge.address, folder).await).await?;
        Ok(self)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.programs[0].address
    }

    pub(crate) fn names(&self) -> [&'static str; 3] {
        self.programs.each_ref().map(|program| program.name)
    }

    pub(crate) fn cpu_micros(&self) -> [f64; 3] {
        self.programs.each_ref().map(Peer::cpu_micros)
    }

    pub(crate) fn memory(&self) -> [f64; 3] {
        self.programs.each_ref().map(Peer::resident_mebibytes)
    }
}

/// Makes the certificate that both edges show, and its key.
pub(crate) async fn certificate(folder: &Path) -> anyhow::Result<()> {
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    let subject = [format!("/CN={HOST}"), format!("subjectAltName=DNS:{HOST}")];
    let mut command = tokio::process::Command::new(programs::find("openssl")?);
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    let made = command.args(["-subj", &subject[0], "-addext", &subject[1]]).output().await?;
    anyhow::ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    // HAProxy wants both in one file.
    let both = [std::fs::read_to_string(certificate)?, std::fs::read_to_string(key)?].concat();
    Ok(std::fs::write(folder.join("lb.pem"), both)?)
}

/// The server behind both chains: answers at once.
pub(crate) fn server(folder: &Path) -> anyhow::Result<Peer> {
    let address = hop::listen::own_loopback();
    let answer = r#"{"cartId":"c-0123456789","itemId":"i-0123456789","productId":"p-1"}"#;
    let location = format!("location / {{ default_type application/json; return 201 '{answer}'; }}");
    nginx("server", folder, address, &format!("server {{ listen {address}; {location} }}"))
}

/// lb, ingress and clusterip; nobody records spans.
pub(crate) async fn ours(server: SocketAddr, folder: &Path) -> anyhow::Result<Chain> {
    let programs = Binaries::ensure(&[Role::Lb, Role::Ingress, Role::Clusterip].into(), true).await?;
    let [edge, ingress, service] = [(); 3].map(|()| hop::listen::own_loopback());
    let start = |name, role, address: SocketAddr, arguments: &[&str]| {
        let common = [
            "--listen".to_owned(),
            address.to_string(),
            "--max-connections".to_owned(),
            CONNECTIONS.to_string(),
        ];
        let arguments: Vec<String> =
            common.into_iter().chain(arguments.iter().map(|it| (*it).to_owned())).collect();
        Peer::spawn(name, (&programs.path(role), name), &arguments, address, folder)
    };
    let rule = format!("{HOST} Prefix /cart cart-service={service}");
    let upstream = ingress.to_string();
    let programs = [
        start(
            "lb",
            Role::Lb,
            edge,
            &["--upstreams", &upstream, "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
        )?,
        start("ingress", Role::Ingress, ingress, &["--rule", &rule])?,
        start("clusterip", Role::Clusterip, service, &["--endpoints", &server.to_string()])?,
    ];
    Chain { name: "ours", programs }.ready(folder).await
}

/// HAProxy ends TLS, nginx routes, HAProxy passes bytes on.
pub(crate) async fn theirs(server: SocketAddr, folder: &Path) -> anyhow::Result<Chain> {
    let [edge, ingress, service] = [(); 3].map(|()| hop::listen::own_loopback());
    let at = folder.display();
    let head = |mode: &str| {
        format!(
            "global\n maxconn {CONNECTIONS}\n nbthread 1\ndefaults\n mode {mode}\n timeout connect 5s\n \
             timeout client 60s\n timeout server 60s\n"
        )
    };
    let balancer = format!(
        "{}frontend edge\n bind {edge} ssl crt {at}/lb.pem ssl-min-ver TLSv1.2 alpn h2,http/1.1\n \
         http-request del-header forwarded\n http-request del-header x-forwarded- -m beg\n \
         http-request set-header x-forwarded-for %[src]\n http-request set-header x-forwarded-host %[req.hdr(host)]\n \
         http-request set-header x-forwarded-proto https\n default_backend ingress\n\
         backend ingress\n balance leastconn\n option httpchk\n \
         http-check send meth GET uri /healthz ver HTTP/1.1 hdr host lb\n \
         server ingress-1 {ingress} check inter 1s fall 1 rise 1\n",
        head("http")
    );
    let passes = format!(
        "{}listen service\n bind {service}\n balance roundrobin\n retries 3\n option redispatch 1\n \
         server pod-1 {server} check inter 1s fall 1 rise 1\n",
        head("tcp")
    );
    let routes = format!(
        "map_hash_bucket_size 256;\n map \"$host$uri\" $route {{ default \"\"; \"~^api\\.myshop\\.com/cart(/.*)?$\" route-1; }}\n \
         upstream route-1 {{ server {service}; keepalive 256; keepalive_requests 1000000000; }}\n \
         server {{ listen {ingress} default_server;\n  location = /healthz {{ return 200 \"ok\\n\"; }}\n  \
         location / {{ if ($route = \"\") {{ return 404; }} proxy_pass http://$route; proxy_http_version 1.1;\n   \
         proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }} }}"
    );
    let programs = [
        haproxy("HAProxy", folder, edge, &balancer)?,
        nginx("nginx", folder, ingress, &routes)?,
        haproxy("HAProxy (TCP)", folder, service, &passes)?,
    ];
    Chain { name: "theirs", programs }.ready(folder).await
}

fn haproxy(name: &'static str, folder: &Path, address: SocketAddr, config: &str) -> anyhow::Result<Peer> {
    let file = format!("{name}.cfg");
    std::fs::write(folder.join(&file), config)?;
    let arguments = ["-db", "-f", &file].map(str::to_owned);
    Peer::spawn(name, (Path::new("haproxy"), "haproxy"), &arguments, address, folder)
}

/// With one worker, as the recipe has it.
fn nginx(name: &'static str, folder: &Path, address: SocketAddr, http: &str) -> anyhow::Result<Peer> {
    let at = folder.join(format!("of-{name}"));
    std::fs::create_dir_all(&at)?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!(" {kind}_temp_path {}/{kind};\n", at.display()))
        .concat();
    let config = format!(
        "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 16384;\npid {}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 8192; }}\nhttp {{\n access_log off;\n keepalive_requests 1000000000;\n{temporary}{http}\n}}\n",
        at.display()
    );
    let file = at.join("nginx.conf");
    std::fs::write(&file, config)?;
    let arguments = ["-e".to_owned(), "stderr".to_owned(), "-c".to_owned(), file.display().to_string()];
    Peer::spawn(name, (Path::new("nginx"), "nginx"), &arguments, address, folder)
}
