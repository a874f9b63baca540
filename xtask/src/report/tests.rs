use super::Report;

#[test]
fn one_failed_step_fails_the_whole_and_the_rest_still_runs() {
    let mut report = Report::default();
    let mut last_ran = false;
    report.step("first", || anyhow::bail!("no"));
    report.step("last", || {
        last_ran = true;
        Ok(())
    });
    assert!(last_ran);
    assert_eq!(report.close().unwrap_err().to_string(), "failed: first");
}

#[test]
fn all_well_is_well() {
    let mut report = Report::default();
    report.step("only", || Ok(()));
    report.close().unwrap();
}
