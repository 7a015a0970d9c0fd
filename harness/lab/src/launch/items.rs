//! The checklist, and the commands that prove its items.

use serde::{Deserialize, Serialize};

/// Says when an item is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A week before.
    WeekBefore,
    /// Due on the day of the launch.
    LaunchDay,
    /// Within 24 hours after.
    DayAfter,
}

impl Phase {
    /// Returns the phase as a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::WeekBefore => "A week before",
            Self::LaunchDay => "Launch day",
            Self::DayAfter => "24 hours after",
        }
    }
}

/// A command that proves something, on this machine and without an account.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// Short.
    pub name: &'static str,
    /// The command for `bash -c` in the root of the repository. It exits with 0 if what it says is
    /// so, with 8 if that could not be decided, and the last line of what it prints is the figure
    /// to show.
    pub command: &'static str,
    /// The file that it leaves for readers, in the repository.
    pub report: Option<&'static str>,
}

const fn proof(name: &'static str, command: &'static str) -> Proof {
    Proof { name, command, report: None }
}

impl Proof {
    const fn leaves(mut self, report: &'static str) -> Self {
        self.report = Some(report);
        self
    }
}

/// Every proof.
pub const PROOFS: &[Proof] = &[
    proof("secrets", "scripts/scan-secrets"),
    proof(
        "dependencies",
        ". scripts/env && cargo deny --log-level error check bans licenses sources && \
                  echo \"$(grep -c '^name = ' Cargo.lock) packages: licences, bans and sources checked\"",
    ),
    proof(
        "advisories",
        ". scripts/env; cargo deny --log-level error fetch db || \
                  { echo 'the database of advisories cannot be reached'; exit 8; }; \
                  cargo deny --log-level error check advisories && echo 'no known vulnerability'",
    ),
    proof(
        "load",
        "\"$WORKWAY\" run scenarios/load --out target/launch/load | grep -E '^ *[✓✗]|^INCONCLUSIVE' | \
                  sed 's/  */ /g' | paste -sd ';'; exit ${PIPESTATUS[0]}",
    )
    .leaves("target/launch/load/report.html"),
    proof(
        "backup-drill",
        "set -o pipefail; cargo test --package workway --test integration backup:: 2>/dev/null | grep '^test result: .* [1-9][0-9]* passed'",
    ),
    proof(
        "backup-drill-workerd",
        "set -o pipefail; . scripts/env; command -v workerd >/dev/null || \
         { echo 'workerd is missing: run scripts/setup'; exit 8; }; \
         cargo test --package workway --test integration backup:: -- --ignored 2>/dev/null | grep '^test result: .* [1-9][0-9]* passed'",
    ),
    proof(
        "alerts",
        "set -o pipefail; cargo test --package workway --test integration ops:: 2>/dev/null | grep '^test result: .* [1-9][0-9]* passed'",
    ),
    proof(
        "documents",
        "set -o pipefail; cargo test --package workway --test integration documents:: 2>/dev/null | grep '^test result: .* [1-9][0-9]* passed'",
    ),
    proof(
        "support",
        "grep -q 'Reporting' SECURITY.md && ls .github/ISSUE_TEMPLATE/*.yml .github/RUNBOOK.md >/dev/null && \
                  echo \"runbook: $(grep -c '^## ' .github/RUNBOOK.md) sections; security contact; issue forms\"",
    ),
    proof(
        "deploy-rehearsal",
        "set -o pipefail; . scripts/env; cargo test --package workway --test integration deploy:: -- --ignored 2>/dev/null | grep '^test result: .* [1-9][0-9]* passed'",
    ),
    proof(
        "health",
        "\"$WORKWAY\" run scenarios/ops/uptime | tail -n 1; exit ${PIPESTATUS[0]}",
    ),
    proof(
        "flows",
        "\"$WORKWAY\" run scenarios/smoke scenarios/workflows | tail -n 1; exit ${PIPESTATUS[0]}",
    ),
    proof(
        "edge-rules",
        "set -o pipefail; cargo test --package workway --test integration edge:: 2>/dev/null | grep '^test result: .* [1-9][0-9]* passed'",
    ),
    proof(
        "cost",
        "\"$WORKWAY\" run scenarios/cost --out target/launch/cost >/dev/null && \
         \"$WORKWAY\" cost target/launch/cost --book cloudflare-2026-11 >target/launch/cost.txt && \
         awk '/USD a month/ { for (i = 4; i <= NF; i++) tier[i - 2] = $i } \
         /^ *total / { printf \"USD a month:\"; for (i = 2; i <= NF; i++) printf \" %s %s\", tier[i], $i; print \"\" }' \
         target/launch/cost.txt | grep .",
    )
    .leaves("target/launch/cost.txt"),
];

/// Names the kind of evidence that completes an item from beyond this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalEvidence {
    /// There is no such part.
    Nothing,
    /// These scenarios, passed by a deployment: see [`super::import`].
    Run(&'static [&'static str]),
    /// A person's signature.
    Person,
}

/// An item of the checklist.
#[derive(Clone, Copy, Debug)]
pub struct ChecklistItem {
    /// The phase in which it is due.
    pub phase: Phase,
    /// The title, as the checklist names it.
    pub title: &'static str,
    /// Names of its proofs.
    pub proofs: &'static [&'static str],
    /// A note on the part that is beyond this machine, or the reason that there is nothing to do.
    pub note: Option<&'static str>,
    /// The command that yields the evidence for that part.
    pub external_command: Option<&'static str>,
    /// The kind of evidence for that part.
    pub external_evidence: ExternalEvidence,
    /// There is nothing to do.
    pub not_applicable: bool,
}

const fn here(phase: Phase, title: &'static str, proofs: &'static [&'static str]) -> ChecklistItem {
    ChecklistItem {
        phase,
        title,
        proofs,
        note: None,
        external_command: None,
        external_evidence: ExternalEvidence::Nothing,
        not_applicable: false,
    }
}

impl ChecklistItem {
    /// Marks a part of the item as one that needs a person.
    const fn signed(mut self, note: &'static str, command: Option<&'static str>) -> Self {
        self.note = Some(note);
        self.external_command = command;
        self.external_evidence = ExternalEvidence::Person;
        self
    }

    /// Marks a part of the item as one that needs a deployment that passes these scenarios.
    const fn run(
        mut self,
        note: &'static str,
        command: &'static str,
        scenarios: &'static [&'static str],
    ) -> Self {
        self.note = Some(note);
        self.external_command = Some(command);
        self.external_evidence = ExternalEvidence::Run(scenarios);
        self
    }
}

const UPTIME: &str = "workway run scenarios/ops/uptime --target https://YOUR-DOMAIN --allow-remote \
                      --out run && workway lab launch --evidence run";

/// The checklist, in order.
pub const ITEMS: &[ChecklistItem] = {
    use Phase::{DayAfter, LaunchDay, WeekBefore};
    &[
        here(
            WeekBefore,
            "Security audit complete",
            &["secrets", "dependencies", "advisories", "edge-rules"],
        )
        .signed("the deployed domain", Some("workway edge https://YOUR-DOMAIN --allow-remote")),
        here(WeekBefore, "Load testing performed", &["load"]).run(
            "the numbers are of the native service; those of a deployment are its own",
            "workway run scenarios/load --target https://YOUR-STAGING --allow-remote --out run && \
             workway lab launch --evidence run",
            &["load/steady-mix"],
        ),
        here(WeekBefore, "Backup strategy tested", &["backup-drill", "backup-drill-workerd"]),
        here(WeekBefore, "Monitoring alerts configured", &["alerts"])
            .signed("that somebody is woken: send a test alert through your scheduler", None),
        here(WeekBefore, "Documentation updated", &["documents"]),
        here(WeekBefore, "Support process defined", &["support"]),
        here(LaunchDay, "Deploy to production", &["deploy-rehearsal"]).signed(
            "the flow is rehearsed against a fake of the API; an account is needed for the rest",
            Some(
                "scripts/provision production && scripts/build-worker && \
                 scripts/deploy production https://YOUR-DOMAIN",
            ),
        ),
        here(LaunchDay, "Verify health checks", &["health"]).run(
            "of the deployment",
            UPTIME,
            &["ops/uptime"],
        ),
        here(LaunchDay, "Monitor error rates", &[]).signed(
            "there are none without traffic",
            Some("scripts/tail production --status error"),
        ),
        here(LaunchDay, "Check performance metrics", &["load"]).run(
            "of the deployment",
            UPTIME,
            &["ops/uptime"],
        ),
        here(LaunchDay, "Test critical user flows", &["flows"]).run(
            "on the deployment",
            "workway run scenarios/smoke --target https://YOUR-DOMAIN --allow-remote --out run && \
             workway lab launch --evidence run",
            &["smoke/health", "smoke/run", "smoke/validation"],
        ),
        ChecklistItem {
            not_applicable: true,
            note: Some("Workers scale by themselves: there is nothing to enable"),
            ..here(LaunchDay, "Enable auto-scaling", &[])
        },
        here(DayAfter, "Review error logs", &[])
            .signed("there are none yet", Some("scripts/tail production --status error")),
        here(DayAfter, "Analyze performance data", &[])
            .signed("there is none yet: the dashboards of your account", None),
        here(DayAfter, "Check cost projections", &["cost"]).signed(
            "against what the account is billed",
            Some("scripts/check-cost REPORT DOLLARS-PER-DAY"),
        ),
        here(DayAfter, "Gather user feedback", &[]).signed("from users", None),
        here(DayAfter, "Plan optimizations", &[]).signed("from what the day showed", None),
    ]
};
