//! Real programs by name: which there are, which are missing, and what was typed wrong.

use serde_json::Value;

use super::program;

#[tokio::test]
async fn recipes_are_listed_with_what_to_install() {
    let listed = program::lab(["recipes", "--json"]).await.code(0);
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).expect("JSON");
    let find = |role: &str, name: &str| {
        let found = listed.iter().find(|recipe| recipe["role"] == role && recipe["name"] == name);
        found.unwrap_or_else(|| panic!("no recipe {name} for {role}"))
    };
    assert_eq!(find("dns", "nsd")["hops"], serde_json::json!(["root", "com", "myshop"]));
    assert_eq!(find("events", "kafka")["install"], "apt-get install default-jre-headless maven");
    let table = program::lab(["recipes"]).await.code(0).stdout;
    for recipe in &listed {
        let (role, name) = (recipe["role"].as_str().unwrap_or("?"), recipe["name"].as_str().unwrap_or("?"));
        assert!(table.contains(&format!("--swap {role}={name} ")), "{role}={name} is not in\n{table}");
        let install = recipe["install"].as_str().unwrap_or("?");
        let shown = recipe["installed"].is_string() || table.contains(&format!("not installed: {install}"));
        assert!(shown, "{name} is missing, and nothing says what to install:\n{table}");
    }
}

#[tokio::test]
async fn a_missing_program_is_named_with_its_package() {
    // java and redis-server lie in /usr/bin; without a PATH only the folders of daemons are searched.
    for (swap, package) in [
        ("store=redis-server", "apt-get install redis-server"),
        ("kafka=kafka", "apt-get install default-jre-headless maven"),
    ] {
        let mut command = program::command(["--no-build", "--once", "--swap", swap]).await;
        command.env("PATH", "/nowhere");
        program::end(command).await.code(3).says(&["which is not installed", "what to do", package]);
    }
    let mut command = program::command(["recipes"]).await;
    command.env("PATH", "/nowhere");
    let table = program::end(command).await.code(0).stdout;
    assert!(table.contains("not installed: apt-get install redis-server"), "{table}");
}

#[tokio::test]
async fn a_wrong_recipe_is_explained() {
    for (swap, says) in [
        ("ingress=ngnix", &["there is no recipe `ngnix`", "did you mean `nginx`?", "haproxy, nginx"][..]),
        ("store=redis", &["did you mean `redis-server`?"]),
        ("store=nginx", &["`nginx` plays lb, ingress", "this hop has role store", "redis-server"]),
        ("cart=nginx", &["this hop has role cart", "recipes for cart: spring-boot"]),
        ("store", &["expected NAME_OR_ROLE=RECIPE_OR_COMMAND", "lab recipes"]),
    ] {
        program::lab(["--no-build", "--once", "--swap", swap]).await.code(2).says(says).says(&["--swap"]);
    }
    for (set, says) in [
        ("hop.redis.recipe=valkey", "recipes for store: redis-server"),
        ("hop.resolver.flush=/bin/true", "the lab's own resolver is emptied by its admin endpoint"),
    ] {
        program::lab(["--no-build", "--once", "--set", set]).await.code(2).says(&[says]);
    }
    let both = ["--set", "hop.redis.recipe=redis-server", "--set", "hop.redis.command=redis-server --port 1"];
    program::lab(["--no-build", "--once"].into_iter().chain(both)).await.code(2).says(&["not both"]);
}
