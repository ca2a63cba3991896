use super::*;

fn remedy(limits: &Limits, step: &str, errno: Errno) -> String {
    limits.remedy(step, &io::Error::from_raw_os_error(errno as i32))
}

#[test]
fn each_refusal_has_the_remedy_for_its_cause() {
    let limits = Limits {
        user_namespaces: "3".to_owned(),
        net_namespaces: "5".to_owned(),
        unprivileged: "1".to_owned(),
        apparmor: "0".to_owned(),
        seccomp: false,
        threads: 1,
    };
    let (user, net) = ("unshare(CLONE_NEWUSER)", "unshare(CLONE_NEWNET)");
    assert!(remedy(&limits, user, Errno::ENOSPC).contains("user.max_user_namespaces, which is 3"));
    assert!(remedy(&limits, net, Errno::ENOSPC).contains("user.max_net_namespaces, which is 5"));
    assert!(remedy(&limits, user, Errno::EINVAL).contains("another kernel"));
    assert!(remedy(&limits, user, Errno::EPERM).contains("security module"));
    let threads = Limits { threads: 5, ..limits.clone() };
    assert!(remedy(&threads, user, Errno::EINVAL).contains("5 threads"));
    let seccomp = Limits { seccomp: true, ..limits.clone() };
    assert!(remedy(&seccomp, user, Errno::EPERM).contains("seccomp=unconfined"));
    let apparmor = Limits { apparmor: "1".to_owned(), ..limits.clone() };
    assert!(remedy(&apparmor, user, Errno::EPERM).contains("apparmor_restrict_unprivileged_userns=0"));
    let hardened = Limits { unprivileged: "0".to_owned(), ..limits };
    assert!(remedy(&hardened, user, Errno::EPERM).contains("unprivileged_userns_clone=1"));
}
