//! The one place where a configuration is put together from its layers.

use crate::check::{check, nearest};
use crate::config::Config;
use crate::error::{ConfigError, ConfigErrors, Problem, Warning};
use crate::inherit::inherit;
use crate::layer::{self, Text};
use crate::node::{Node, Value};
use crate::preset::{preset_names, preset_text};
use crate::resolved::Resolved;
use crate::setting::SettingValue;
use crate::source::Source;
use crate::storage::AUTHORITY;
use crate::validate::validate;
use crate::values::StoreUrl;
use crate::variables::{self, CONFIG, Variable};
use crate::{dotenv, home, shape};
use std::fmt;
use std::path::Path;

/// Gathers the layers of a configuration. Nothing is read before [`Builder::build`], and nothing from the environment or
/// a `.env` file unless asked for.
///
/// From the strongest to the weakest: [`set`](Self::set), the environment, `.env`, the configuration file, the preset,
/// [`default`](Self::default), the built-in defaults.
#[derive(Clone, Default)]
#[must_use]
pub struct Builder {
    set: Vec<Assignment>,
    defaults: Vec<Assignment>,
    env: Vec<Variable>,
    not_utf8: Vec<String>,
    dotenv: Option<Input>,
    file: Option<Input>,
    preset: Option<String>,
}

#[derive(Clone)]
struct Assignment {
    path: String,
    value: SettingValue,
    source: Source,
}

#[derive(Clone)]
enum Input {
    Path(String),
    Text { name: String, text: String },
}

impl fmt::Debug for Builder {
    /// Shows nothing of the values: any of them may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Config {
    /// A builder without any layer; built as it is, it gives [`Config::default`].
    pub fn builder() -> Builder {
        <Builder as Default>::default()
    }
}

impl Builder {
    /// Reads `MILLPOND_*` and the aliases from the process's environment.
    pub fn with_env(mut self) -> Self {
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => self.env.push(environment(name, value)),
                Err(_) if name.starts_with("MILLPOND_") => self.not_utf8.push(name),
                Err(_) => {}
            }
        }
        self
    }

    /// The same from variables given here.
    pub fn with_env_from<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        self.env.extend(variables.into_iter().map(|(name, value)| environment(name.into(), value.into())));
        self
    }

    /// Reads `.env` in the working directory, if there is one. `$NAME` in a value is replaced from the process's
    /// environment.
    pub fn with_dotenv(mut self) -> Self {
        self.dotenv = Some(Input::Path(".env".to_owned()));
        self
    }

    /// The same from a text given here; `name` stands for the file in messages.
    pub fn with_dotenv_text(mut self, name: &str, text: &str) -> Self {
        self.dotenv = Some(Input::Text { name: name.to_owned(), text: text.to_owned() });
        self
    }

    /// Reads this configuration file, which must exist. Without this, `MILLPOND_CONFIG` names one.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(Input::Path(path.as_ref().display().to_string()));
        self
    }

    /// The same from a text given here; `name` stands for the file in messages.
    pub fn file_text(mut self, name: &str, text: &str) -> Self {
        self.file = Some(Input::Text { name: name.to_owned(), text: text.to_owned() });
        self
    }

    /// Chooses a preset, over any that a lower layer chooses.
    pub fn preset(mut self, name: &str) -> Self {
        self.preset = Some(name.to_owned());
        self
    }

    /// Sets the value at a path such as `policy.default_ttl`, with the rank of the command line. Text is read as the
    /// environment's would be. The last value for a path wins.
    pub fn set(self, path: &str, value: impl Into<SettingValue>) -> Self {
        self.set_flag(path, path, value)
    }

    /// The same for an option of the command line, so that messages name it as it was typed (`--default-ttl`).
    pub fn set_flag(mut self, flag: &str, path: &str, value: impl Into<SettingValue>) -> Self {
        let source = Source::CommandLine { flag: flag.to_owned() };
        self.set.push(Assignment { path: path.to_owned(), value: value.into(), source });
        self
    }

    /// Replaces a built-in default.
    pub fn default(mut self, path: &str, value: impl Into<SettingValue>) -> Self {
        self.defaults.push(Assignment {
            path: path.to_owned(),
            value: value.into(),
            source: Source::ProgramDefault,
        });
        self
    }

    /// Reads and checks every layer, and puts them together.
    ///
    /// # Errors
    /// Everything that is wrong in any layer, even where a stronger one hides it.
    pub fn build(self) -> Result<Resolved, ConfigErrors> {
        let mut notes = Notes::default();
        let layers = self.layers(&mut notes);
        let dir = user_cache_dir(&layers.env);
        let home = absolute(&layers.env, "HOME").map(str::to_owned);
        let mut tree = layers.merge(&mut notes);
        default_dirs(&mut tree, dir);
        home::expand(&mut tree, home.as_deref(), &mut notes.errors);
        let whole = inherit(&tree);
        validate(&whole, &mut notes.errors, &mut notes.warnings);
        notes.name_aliases_once();
        ConfigErrors::from_list(notes.errors)?;
        match serde_json::from_value::<Config>(whole.to_json()) {
            Ok(config) => Ok(Resolved { config, warnings: notes.warnings, tree, whole }),
            // What has been checked against the schema of a type can be read as that type; should the two ever part,
            // that is an error like any other and not a crash.
            Err(fault) => {
                let error = ConfigError::new(&Source::Default, Problem::Conflict(fault.to_string()));
                Err(ConfigErrors::one(error))
            }
        }
    }

    fn layers(self, notes: &mut Notes) -> Layers {
        for name in &self.not_utf8 {
            let problem = Problem::Syntax("the value is not UTF-8".to_owned());
            notes.errors.push(ConfigError::new(&Source::Env { name: name.clone() }, problem));
        }
        let dotenv = self.dotenv.as_ref().map(|input| read_dotenv(input, notes)).unwrap_or_default();
        let file = self.file.or_else(|| config_variable(&self.env)).or_else(|| config_variable(&dotenv));
        let preset = self.preset.map(|name| Node::new(Value::Text(name), flag("--preset")));
        let mut set = assigned(self.set, notes);
        if let Some(preset) = preset {
            set.insert(&["preset"], preset);
        }
        let defaults = assigned(self.defaults, notes);
        Layers {
            set: check(set, &mut notes.errors),
            env_own: own(&self.env, notes),
            env: self.env,
            dotenv_own: own(&dotenv, notes),
            dotenv,
            file: file.map(|input| read_file(&input, notes)),
            defaults: check(defaults, &mut notes.errors),
        }
    }
}

#[derive(Default)]
struct Notes {
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
}

impl Notes {
    /// An ignored name is worth one line, also when both the environment and `.env` have it.
    fn name_aliases_once(&mut self) {
        let mut said = Vec::new();
        self.warnings.retain(|warning| {
            let Warning::AliasIgnored { name, .. } = warning else { return true };
            let first = !said.contains(name);
            said.push(name.clone());
            first
        });
    }
}

/// The layers, each checked, before the preset is known.
struct Layers {
    set: Node,
    env: Vec<Variable>,
    env_own: Node,
    dotenv: Vec<Variable>,
    dotenv_own: Node,
    file: Option<Node>,
    defaults: Node,
}

impl Layers {
    /// Lays the layers over one another, the weakest first.
    fn merge(self, notes: &mut Notes) -> Node {
        let chosen = self.chosen_preset();
        let name = chosen.as_ref().and_then(|node| node.text().map(str::to_owned));
        let mut tree = self.defaults;
        if let Some(node) = &chosen {
            tree.overlay(read_preset(node, notes));
        }
        if let Some(file) = self.file {
            tree.overlay(file);
        }
        for (variables, own) in [(self.dotenv, self.dotenv_own), (self.env, self.env_own)] {
            let aliases = variables::alias_layer(
                &variables,
                name.as_deref(),
                &tree,
                (&mut notes.errors, &mut notes.warnings),
            );
            tree.overlay(check(aliases, &mut notes.errors));
            tree.overlay(own);
        }
        tree.overlay(self.set);
        tree
    }

    fn chosen_preset(&self) -> Option<Node> {
        let layers = [
            Some(&self.set),
            Some(&self.env_own),
            Some(&self.dotenv_own),
            self.file.as_ref(),
            Some(&self.defaults),
        ];
        layers.into_iter().flatten().find_map(|layer| layer.get("preset").cloned())
    }
}

fn environment(name: String, value: String) -> Variable {
    let source = Source::Env { name: name.clone() };
    Variable { name, value, source }
}

/// The directory for caches of the user whose environment this is, by the XDG Base Directory Specification, which says to
/// ignore relative paths.
fn user_cache_dir(env: &[Variable]) -> Option<Node> {
    let (name, path) = absolute(env, "XDG_CACHE_HOME")
        .map(|dir| ("XDG_CACHE_HOME", format!("{dir}/millpond")))
        .or_else(|| absolute(env, "HOME").map(|dir| ("HOME", format!("{dir}/.cache/millpond"))))?;
    Some(Node::new(Value::Text(path), Source::EnvDefault { name: name.to_owned() }))
}

/// The variable `name`, where it is an absolute path.
fn absolute<'a>(env: &'a [Variable], name: &str) -> Option<&'a str> {
    let variable = env.iter().rev().find(|variable| variable.name == name)?;
    Path::new(&variable.value).is_absolute().then(|| variable.value.trim_end_matches('/'))
}

/// Gives `cache_dir` its default, where responses are to be kept on disk. Where they are not, the certificate authority of the user
/// has its place there all the same: clients are to trust one, whatever a server keeps.
fn default_dirs(tree: &mut Node, dir: Option<Node>) {
    let Some(dir) = dir.filter(|_| tree.get("cache_dir").is_none()) else { return };
    if tree.get("store").and_then(Node::text) != Some(StoreUrl::Memory.as_str()) {
        tree.insert(&["cache_dir"], dir);
    } else if let Some(path) = dir.text().filter(|_| tree.at(["intercept", "ca_dir"]).is_none()) {
        let path = Value::Text(format!("{path}/{AUTHORITY}"));
        tree.insert(&["intercept", "ca_dir"], Node::new(path, dir.source));
    }
}

fn flag(name: &str) -> Source {
    Source::CommandLine { flag: name.to_owned() }
}

fn own(variables: &[Variable], notes: &mut Notes) -> Node {
    let layer = variables::own_layer(variables, Source::Default, &mut notes.errors);
    check(layer, &mut notes.errors)
}

fn assigned(assignments: Vec<Assignment>, notes: &mut Notes) -> Node {
    let mut layer = Node::table(Source::Default);
    for Assignment { path, value, source } in assignments {
        let keys: Vec<&str> = path.split('.').collect();
        if !shape::root().settable(&keys) {
            let help = shape::help_for(&path, |near| format!("did you mean `{near}`?"));
            notes.errors.push(ConfigError::new(&source, Problem::UnknownKey(path)).help(help));
            continue;
        }
        layer.insert(&keys, value.into_node(&source));
    }
    layer
}

fn config_variable(variables: &[Variable]) -> Option<Input> {
    let variable = variables.iter().find(|variable| variable.name == CONFIG && !variable.value.is_empty())?;
    Some(Input::Path(variable.value.clone()))
}

fn unreadable(path: &str, fault: &std::io::Error) -> ConfigError {
    let at = Source::File { path: path.to_owned(), line: 0, column: 0 };
    ConfigError::new(&at, Problem::Unreadable(fault.to_string()))
}

fn read_file(input: &Input, notes: &mut Notes) -> Node {
    let read;
    let (name, text) = match input {
        Input::Text { name, text } => (name, text),
        Input::Path(path) => match std::fs::read_to_string(path) {
            Ok(text) => {
                read = text;
                (path, &read)
            }
            Err(fault) => {
                let error = unreadable(path, &fault).help("`millpond config init` prints one to begin with");
                notes.errors.push(error);
                return Node::table(Source::Default);
            }
        },
    };
    let document = layer::document(text, Text::File(name), &mut notes.errors);
    check(document, &mut notes.errors)
}

fn read_dotenv(input: &Input, notes: &mut Notes) -> Vec<Variable> {
    let read;
    let (name, text) = match input {
        Input::Text { name, text } => (name, text),
        Input::Path(path) => match std::fs::read_to_string(path) {
            Ok(text) => {
                read = text;
                (path, &read)
            }
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(fault) => {
                notes.errors.push(unreadable(path, &fault));
                return Vec::new();
            }
        },
    };
    dotenv::read(text, name, &mut notes.errors, &mut notes.warnings)
}

fn read_preset(chosen: &Node, notes: &mut Notes) -> Node {
    let Some(name) = chosen.text() else { return Node::table(Source::Default) };
    if let Some(text) = preset_text(name) {
        let document = layer::document(text, Text::Preset(name), &mut notes.errors);
        return check(document, &mut notes.errors);
    }
    let error = ConfigError::new(&chosen.source, Problem::UnknownPreset(name.to_owned()));
    notes.errors.push(match nearest(name, preset_names()) {
        Some(near) => error.help(format!("did you mean \"{near}\"?")),
        None => error.help(format!("there are {}", preset_names().collect::<Vec<_>>().join(", "))),
    });
    Node::table(Source::Default)
}
