use super::without_indexes;

#[test]
fn indexes_leave_paths() {
    assert_eq!(without_indexes("spec.ports[12].a[0]"), "spec.ports[].a[]");
}
