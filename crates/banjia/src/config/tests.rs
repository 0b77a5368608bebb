//! Tests of reading and building.
//! The messages of `golden/*.toml`, word for word in the `.txt` beside each. `UPDATE_GOLDEN=1` writes them anew.

mod meaning;
mod secrets;

use super::*;
use banjia_types::LossLevel;

/// Width of the rendered messages.
const WIDTH: usize = 100;

fn findings_of(name: &str, text: &str) -> Findings {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 1);
    match read(name, text, Path::new(env!("CARGO_MANIFEST_DIR")), Options { today, ..Options::default() }) {
        Ok(loaded) => loaded.findings,
        Err(findings) => findings,
    }
}

#[test]
fn each_bad_file_gets_its_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let rendered = findings_of(&name, &std::fs::read_to_string(&path).unwrap()).render(false, WIDTH);
        assert!(!rendered.contains("must-not-show"), "{name} shows a secret:\n{rendered}");
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &rendered).unwrap();
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(rendered, wanted, "messages of {name} changed; UPDATE_GOLDEN=1 takes them over");
    }
    assert_eq!(seen, 5);
}

#[test]
fn a_good_file_gives_its_parts_and_no_findings() {
    let hash = banjia_gateway::keys::hash(None, "bj-1");
    let text = format!(
        "[serve]\nbind = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n[store]\npath = \"x.db\"\n\
         [[vendors]]\nname = \"zhipu\"\nhost = \"china\"\ncredential = \"${{BANJIA_NO_SUCH_VARIABLE:-id.secret}}\"\n\
         [[routes]]\nname = \"gpt-4o\"\ntargets = [\"zhipu/glm-4.7\"]\nlosses = {{ worst = \"dropped\" }}\n\
         [[accounts]]\nid = \"shop\"\nlimits = {{ requests_per_minute = 60 }}\n\
         [[keys]]\nid = \"k1\"\naccount = \"shop\"\nhash = \"{hash}\"\n"
    );
    let loaded = read("good.toml", &text, Path::new(""), Options::default()).unwrap();
    assert_eq!(loaded.findings.lines(), Vec::<String>::new());
    let config = loaded.config;
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "debug"));
    assert_eq!(config.store.path, Path::new("x.db"));
    assert_eq!(config.gateway.vendors[0].credential.as_ref().unwrap().expose(), "id.secret");
    assert_eq!(config.gateway.routes[0].losses.worst, LossLevel::Dropped);
    assert_eq!(loaded.snapshot.route_names().count(), 1);
}

#[test]
fn an_empty_file_has_every_default_and_two_warnings() {
    let loaded = read("empty.toml", "", Path::new(""), Options::default()).unwrap();
    assert_eq!(loaded.config.store.path, Path::new("banjia.db"));
    assert_eq!(loaded.config.gateway.serve.bind.port(), 8080);
    assert_eq!(loaded.findings.count(report::Severity::Warning), 2);
    assert!(!loaded.findings.has_problems());
}

#[test]
fn secrets_that_are_not_there_can_be_left_out_of_a_check() {
    let text = "[[vendors]]\nname = \"openai\"\ncredential = \"${BANJIA_NO_SUCH_VARIABLE}\"\n";
    assert!(read("a.toml", text, Path::new(""), Options::default()).is_err());
    assert!(read("a.toml", text, Path::new(""), Options { without_secrets: true, ..Options::default() }).is_ok());
}

#[test]
fn a_profile_of_the_operators_own_is_found_and_its_faults_are_shown_with_its_own_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    std::fs::write(folder.path().join("mine/acme.toml"), "vendor = \"acme\"\nnonsense = 1\n").unwrap();
    let text = "[profiles]\ndir = \"mine\"\n";
    let findings = read("a.toml", text, folder.path(), Options::default()).unwrap_err();
    assert!(findings.lines().iter().any(|line| line.contains("acme.toml:2:1")), "{:?}", findings.lines());
    let missing = read("a.toml", "[profiles]\ndir = \"none\"\n", folder.path(), Options::default()).unwrap_err();
    assert!(missing.lines()[0].starts_with("a.toml:2:7: cannot read the profiles in"), "{:?}", missing.lines());
}

#[test]
fn an_environment_gives_vendors_routes_and_a_key() {
    let mut findings = Findings::new("profiles", "");
    let profiles = embedded_profiles().into_map(&mut findings, None);
    assert_eq!(findings.lines(), Vec::<String>::new());
    let lookup = |name: &str| (name == "ZHIPU_API_KEY").then(|| "id.secret".to_owned());
    let made = environment::make(&profiles, &lookup, &|| banjia_types::Secret::new("bj-new"));
    assert_eq!(made.used, ["zhipu (ZHIPU_API_KEY)"]);
    assert_eq!(made.new_key.unwrap().expose(), "bj-new");
    assert!(
        made.config.routes.iter().any(|route| route.name.as_str() == "glm-4.7" && route.targets == ["zhipu/glm-4.7"])
    );
    assert!(Snapshot::compile(&made.config, &profiles).is_ok());
    let lookup = |name: &str| (name == "BANJIA_KEY").then(|| "bj-given".to_owned());
    let made = environment::make(&profiles, &lookup, &|| unreachable!("a key was given"));
    assert_eq!((made.used.len(), made.config.keys.len(), made.config.routes.len()), (0, 1, 0));
}

#[test]
fn every_variable_of_a_vendor_is_read() {
    let profiles = embedded_profiles().into_map(&mut Findings::new("profiles", ""), None);
    for (variable, vendor) in [
        ("ALIBABA_API_KEY", "alibaba"),
        ("DASHSCOPE_API_KEY", "alibaba"),
        ("QIANFAN_API_KEY", "baidu"),
        ("ARK_API_KEY", "volcengine"),
        ("ZAI_API_KEY", "zhipu"),
        ("ZHIPUAI_API_KEY", "zhipu"),
        ("MOONSHOT_API_KEY", "moonshot"),
        ("KIMI_API_KEY", "moonshot"),
    ] {
        let lookup = |name: &str| (name == variable).then(|| "id.secret".to_owned());
        let made = environment::make(&profiles, &lookup, &|| banjia_types::Secret::new("bj-new"));
        assert_eq!(made.used, [format!("{vendor} ({variable})")]);
        assert!(Snapshot::compile(&made.config, &profiles).is_ok(), "{variable}");
    }
}

#[test]
fn a_vendor_by_itself_has_routes_for_its_families() {
    let profiles = embedded_profiles().into_map(&mut Findings::new("profiles", ""), None);
    for (variable, route, target) in [
        ("ALIBABA_API_KEY", "qwen3-max", "alibaba/qwen3-max"),
        ("ALIBABA_API_KEY", "qwen3-max*", "alibaba/*"),
        ("MOONSHOT_API_KEY", "kimi-k2.6", "moonshot/kimi-k2.6"),
        ("ARK_API_KEY", "doubao-seed-*", "volcengine/*"),
    ] {
        let lookup = |name: &str| (name == variable).then(|| "key".to_owned());
        let made = environment::make(&profiles, &lookup, &|| banjia_types::Secret::new("bj-new"));
        let found = made.config.routes.iter().find(|found| found.name.as_str() == route);
        assert_eq!(found.map(|found| found.targets.as_slice()), Some(&[target.to_owned()][..]), "{route}");
        assert!(made.config.routes.iter().all(|route| !route.name.as_str().ends_with('-')));
    }
}

#[test]
fn a_vendor_may_go_by_another_name() {
    let text = "[[vendors]]\nname = \"Qwen\"\ncredential = \"${NONE:-k}\"\n\
        [[routes]]\nname = \"q\"\ntargets = [\"Qwen/qwen3-max\"]\n";
    let loaded = read("a.toml", text, Path::new(""), Options::default()).unwrap();
    assert_eq!(loaded.config.gateway.vendors[0].profile.as_deref(), Some("alibaba"));
}

/// A file with every key.
const WHOLE: &str = include_str!("golden/whole/banjia.toml");

fn whole_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/golden/whole")
}

/// Everything that is wrong with a text when all of it is built.
fn built(text: &str) -> Vec<String> {
    match build::build("banjia.toml", text, &whole_folder(), Options::default()) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.lines(),
    }
}

#[test]
fn the_file_with_every_key_can_be_built() {
    assert_eq!(built(WHOLE), Vec::<String>::new());
}

/// Puts `new` in the place of the line that begins with `start`.
fn with_line(start: &str, new: &str) -> String {
    assert!(WHOLE.lines().any(|line| line.starts_with(start)), "{start}");
    WHOLE.lines().map(|line| if line.starts_with(start) { new } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_file_with_one_broken_part_is_not_built() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "{% no template").unwrap();
    std::fs::rename(&broken, folder.path().join("notice.en.txt")).unwrap();
    std::fs::write(&broken, "no table").unwrap();
    let (folder, broken) = (folder.path().display(), broken.display());
    for (start, new, wanted) in [
        ("[geo]", format!("[geo]\nmmdb = \"{folder}/none.mmdb\""), "cannot read the table of addresses"),
        ("[geo]", format!("[geo]\nmmdb = \"{broken}\""), "cannot be used"),
        ("[geo]", "[geo]\nmmdb = \"/dev/zero\"".to_owned(), "it is a device"),
        ("operator", format!("templates = \"{folder}\""), "the template is wrong"),
        ("operator", format!("templates = \"{folder}/none\""), "cannot read the template"),
        ("from = ", "from = \"nobody\"".to_owned(), "from is no address"),
        ("reply_to", "reply_to = \"nobody\"".to_owned(), "reply_to is no address"),
        ("port = ", format!("roots = \"{broken}\""), "there is no certificate in it"),
        ("port = ", format!("roots = \"{folder}\""), "it is a folder"),
        ("port = ", "dkim = { selector = \"a\", domain = \"b\", private_key = \"c\" }".to_owned(), "dkim.private_key"),
        ("key = ", "key = \"0011\"".to_owned(), "64 hexadecimal digits"),
        ("level", "level = \"banjia=loud\"".to_owned(), "cannot be read; try info or debug"),
        ("pattern = ", "pattern = \"(\"".to_owned(), "unclosed group"),
        ("peer", "peer = { trusted = [], header = \"forwarded\" }".to_owned(), "trusted"),
        ("secret", "secret = \"hunter2\"".to_owned(), "must begin with whsec_"),
        ("url", "url = \"http://hooks.example.com/\"".to_owned(), "is not https"),
        ("url", "url = \"nonsense\"".to_owned(), "cannot be read"),
        ("events", "events = [\"polcy.*\"]".to_owned(), "there is no event"),
        ("base", "base = \"https://u:p@a.example\"".to_owned(), "password"),
        ("dir", format!("dir = \"{folder}/none\""), "cannot read the profiles"),
    ] {
        let lines = built(&with_line(start, &new));
        assert!(lines.iter().any(|line| line.contains(wanted)), "{new}: {lines:?}");
    }
}

#[test]
fn a_pipe_is_read_only_for_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("banjia.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let lines = load(&pipe, Options::default()).unwrap_err().lines();
    assert!(lines[0].contains("it is a named pipe"), "{lines:?}");
    let (to, text) = (pipe.clone(), "[store]\npath = \"x.db\"\n");
    let writer = std::thread::spawn(move || std::fs::write(to, text));
    let loaded = load(&pipe, Options { may_be_pipe: true, ..Options::default() }).unwrap();
    assert_eq!(loaded.config.store.path, Path::new("x.db"));
    writer.join().unwrap().unwrap();
}

#[test]
fn a_file_that_may_shrink_is_warned_about() {
    let loaded = read("a.toml", "allow_shrink = true\n", Path::new(""), Options::default()).unwrap();
    assert!(loaded.config.allow_shrink);
    assert!(loaded.findings.lines().iter().any(|line| line.starts_with("a.toml:1:16: allow_shrink lets")));
    let wrong = read("a.toml", "alow_shrink = true\n", Path::new(""), Options::default()).unwrap_err();
    assert!(wrong.lines()[0].contains("did you mean allow_shrink?"), "{:?}", wrong.lines());
}

#[test]
fn a_file_with_too_many_faults_is_cut_short() {
    let text = "[[vendors]]\nnonsense = 1\n".repeat(2_000);
    let findings = read("a.toml", &text, Path::new(""), Options::default()).unwrap_err();
    assert!(findings.lines().len() == 101 && findings.lines()[100].contains("more are not shown"));
    assert!(findings.render(false, WIDTH).len() < 100_000);
}
