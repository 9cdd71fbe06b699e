//! What came of it.

use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::plan::Plan;

pub(crate) enum Outcome {
    Passed(Duration),
    Failed(String),
    /// These programs are not installed.
    Missing(String),
}

impl Outcome {
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Failed(_) => "FAILED",
            Self::Missing(_) => "left out",
        }
    }

    /// Of an object that [`Report::print`] has printed.
    pub(crate) fn read(object: &serde_json::Value) -> Self {
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        match object["elapsed_ms"].as_u64() {
            Some(elapsed) => Self::Passed(Duration::from_millis(elapsed)),
            None if object["missing"].is_string() => Self::Missing(text("missing")),
            None => Self::Failed(text("message")),
        }
    }

    fn details(&self) -> String {
        match self {
            Self::Passed(elapsed) => format!("{:.1} s", elapsed.as_secs_f64()),
            Self::Failed(why) => why.clone(),
            Self::Missing(what) => format!("not installed: {what}"),
        }
    }
}

pub(crate) struct Report {
    cases: Vec<(Plan, Outcome)>,
    /// What is not installed, and why that is thought.
    missing: Vec<String>,
}

impl Report {
    pub(crate) const fn new(cases: Vec<(Plan, Outcome)>, missing: Vec<String>) -> Self {
        Self { cases, missing }
    }

    /// Takes in more cases.
    pub(crate) fn extend(&mut self, cases: Vec<(Plan, Outcome)>) {
        self.cases.extend(cases);
    }

    /// To standard output: a table, or an object a line.
    pub(crate) fn print(&self, json: bool) {
        for (plan, outcome) in &self.cases {
            if json {
                println!("{}", object(*plan, outcome));
            } else {
                println!("{:8}  {plan}  {}", outcome.word(), outcome.details());
            }
        }
        for missing in &self.missing {
            eprintln!("not installed: {missing}");
        }
        if !json {
            let [passed, failed, missing] = self.counts();
            println!("{passed} passed, {failed} failed, {missing} skipped");
        }
    }

    /// An error if a case has failed, if none has run, or if one was left out and `require_all`.
    pub(crate) fn verdict(&self, require_all: bool) -> anyhow::Result<()> {
        let [passed, failed, missing] = self.counts();
        if failed > 0 {
            bail!("{failed} of {} transfers have failed", self.cases.len());
        }
        if require_all && (missing > 0 || !self.missing.is_empty()) {
            bail!("not everything is installed: {}", self.missing.join("; "));
        }
        if passed == 0 {
            bail!("nothing was transferred");
        }
        Ok(())
    }

    /// Passed, failed, left out.
    fn counts(&self) -> [usize; 3] {
        let count =
            |is: fn(&Outcome) -> bool| self.cases.iter().filter(|(_, outcome)| is(outcome)).count();
        [
            count(|outcome| matches!(outcome, Outcome::Passed(_))),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            count(|outcome| matches!(outcome, Outcome::Missing(_))),
        ]
    }
}

fn object(plan: Plan, outcome: &Outcome) -> serde_json::Value {
    let mut object = json!({
        "seed": plan.seed.to_string(),
        "leech": plan.leech.to_string(),
        "via": plan.via.to_string(),
        "shape": plan.shape.to_string(),
        "result": outcome.word().to_lowercase(),
    });
    match outcome {
        Outcome::Passed(elapsed) => object["elapsed_ms"] = json!(elapsed.as_millis() as u64),
        Outcome::Failed(message) => object["message"] = json!(message),
        Outcome::Missing(programs) => object["missing"] = json!(programs),
    }
    object
}
