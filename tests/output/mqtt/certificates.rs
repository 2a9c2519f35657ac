//! Certificates for servers of a test, made with OpenSSL.

use crate::support::driver::Home;
use std::process::Command;

/// A settings file of `openssl ca`, which can set the dates.
const SETTINGS: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nnew_certs_dir = .\nrand_serial = yes\ndefault_md = sha256\n\
                        policy = names\nunique_subject = no\n[names]\ncommonName = supplied\n";

/// The dates of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dates {
    Valid,
    Past,
    Future,
}

fn openssl(home: &Home, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(home.path("")).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority: `NAME.pem`, `NAME.key`.
pub(crate) fn authority(home: &Home, name: &str) {
    openssl(home, &format!("req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 30 -subj /CN={name}"));
}

/// A server's certificate that the authority `ca` has signed: `NAME.pem`, `NAME.key`. `san` as in `IP:127.0.0.1`.
pub(crate) fn certificate(home: &Home, name: &str, san: &str, dates: Dates) {
    openssl(home, &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
    std::fs::write(home.path("ca.cnf"), SETTINGS).unwrap();
    std::fs::write(home.path("index"), "").unwrap();
    std::fs::write(home.path("names"), format!("subjectAltName = {san}\n")).unwrap();
    let dates = match dates {
        Dates::Valid => "-days 30",
        Dates::Past => "-startdate 20200101000000Z -enddate 20210101000000Z",
        Dates::Future => "-startdate 20900101000000Z -enddate 20910101000000Z",
    };
    openssl(
        home,
        &format!(
            "ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -extfile names {dates} -in {name}.csr -out {name}.pem"
        ),
    );
}

/// A wrong certificate, and what the driver says about it.
pub(crate) struct Wrong {
    /// The server's certificate and key, without their endings.
    pub(crate) server: &'static str,
    /// The trusted authority.
    pub(crate) authority: &'static str,
    pub(crate) words: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// Makes the authorities `ca` and `other`, the certificate `good`, and wrong ones.
pub(crate) fn all(home: &Home) -> Vec<Wrong> {
    authority(home, "ca");
    authority(home, "other");
    certificate(home, "good", "IP:127.0.0.1", Dates::Valid);
    certificate(home, "name", "DNS:elsewhere.example,IP:127.0.0.2", Dates::Valid);
    certificate(home, "past", "IP:127.0.0.1", Dates::Past);
    certificate(home, "future", "IP:127.0.0.1", Dates::Future);
    let wrong = |server, authority, words, remedy| Wrong { server, authority, words, remedy };
    vec![
        wrong("good", "other", "an authority that is not trusted", "tls_ca` to the file"),
        wrong("name", "ca", "for another name", "to a name that is in it"),
        wrong("past", "ca", "has expired", "check the clock"),
        wrong("future", "ca", "is not valid yet", "check the clock"),
        wrong("ca", "ca", "an authority's certificate as its own", "docs/mqtt.md"),
    ]
}

/// Files that hold no certificates, and what the driver says about them.
pub(crate) fn no_certificates(home: &Home) -> [(&'static str, &'static str); 2] {
    std::fs::write(home.path("empty.pem"), "no certificate\n").unwrap();
    [("empty", "holds no certificate"), ("nowhere", "cannot be read")]
}
