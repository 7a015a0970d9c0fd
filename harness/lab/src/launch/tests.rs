use super::*;

fn commit(id: &str) -> Commit {
    Commit { id: id.to_owned(), clean: true }
}

fn said(proof: &str, id: &str, exit: i32) -> Evidence {
    Evidence {
        proof: proof.to_owned(),
        command: "x".to_owned(),
        commit: commit(id),
        finished_at: "2026-11-22T12:00:00Z".to_owned(),
        seconds: 1,
        exit: Some(exit),
        figure: "12 <passed>".to_owned(),
        report: Some("target/launch/x/report.html".to_owned()),
    }
}

fn state(title: &str, evidence: &[Evidence]) -> State {
    let list = checklist(commit("a"), evidence, &[]);
    list.items.into_iter().find(|item| item.title == title).unwrap().state
}

#[test]
fn a_box_is_proven_by_all_its_proofs_on_this_commit_and_nothing_less() {
    let title = "Support process defined";
    assert_eq!(state(title, &[]), State::NotProvenHere);
    assert_eq!(state(title, &[said("support", "a", 0)]), State::Proven);
    assert_eq!(state(title, &[said("support", "a", 1)]), State::Failed);
    assert_eq!(state(title, &[said("support", "b", 0)]), State::NotProvenHere);
    assert_eq!(state(title, &[said("support", "a", 8)]), State::NotProvenHere, "undecided");
    let dirty = Commit { clean: false, ..commit("a") };
    let changed = Evidence { commit: dirty.clone(), ..said("support", "a", 0) };
    let list = checklist(dirty, &[changed], &[]);
    assert_eq!(list.count(State::Proven), 0, "files that are no commit");
    let some = [said("secrets", "a", 0)];
    assert_eq!(state("Security audit complete", &some), State::NotProvenHere);
}

#[test]
fn what_needs_an_account_is_never_proven_here() {
    let all: Vec<_> = PROOFS.iter().map(|proof| said(proof.name, "a", 0)).collect();
    for title in ["Deploy to production", "Monitor error rates", "Gather user feedback"] {
        assert_eq!(state(title, &all), State::NotProvenHere, "{title}");
    }
    assert_eq!(state("Enable auto-scaling", &all), State::NotApplicable);
}

#[test]
fn each_proof_is_known_and_used_and_each_box_says_how() {
    for one in ITEMS {
        for name in one.proofs {
            assert!(PROOFS.iter().any(|proof| proof.name == *name), "{name}");
        }
        assert!(!one.proofs.is_empty() || one.note.is_some(), "{}", one.title);
    }
    for proof in PROOFS {
        assert!(ITEMS.iter().any(|one| one.proofs.contains(&proof.name)), "{}", proof.name);
    }
    assert_eq!(ITEMS.len(), 17);
}

#[test]
fn pages_show_evidence_link_to_it_and_escape_it() {
    let list = checklist(commit("a"), &[said("support", "a", 0)], &[]);
    let undecided = checklist(commit("a"), &[said("load", "a", 8)], &[]);
    assert!(super::text(&undecided).contains("Load testing performed: not proven here"));
    let (text, html) = (text(&list), html(&list));
    assert!(text.contains("12 <passed>") && text.contains("workway lab launch --prove secrets"));
    assert!(html.contains("12 &lt;passed&gt;") && !html.contains("12 <passed>"));
    assert!(html.starts_with("<!doctype html>"));
    for link in ["evidence/support.json", "evidence/x-report.html"] {
        assert!(html.contains(&format!("<a href=\"{link}\">")), "{link} in {html}");
        assert!(links(&list).iter().any(|(_, copy)| copy == link), "{link}");
    }
    assert_eq!(html.matches("<ul>").count(), 3, "a list for each phase");
    assert!(html.matches("<li").count() == 17 && html.matches("</li>").count() == 17);
    for loads in ["src=", "<link", "@import", "url("] {
        assert!(!html.contains(loads), "{loads}: nothing is loaded");
    }
}
