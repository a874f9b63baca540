use super::*;

#[test]
fn a_path_of_107_bytes_fits_and_one_more_does_not() {
    let fits = format!("/{}", "s".repeat(106));
    assert_eq!(directory_of(Path::new(&fits)).unwrap(), Path::new("/"));
    let long = format!("/{}", "s".repeat(107));
    let error = directory_of(Path::new(&long)).unwrap_err();
    assert!(
        error.to_string().contains("108 bytes, at most 107"),
        "{error}"
    );
}

#[test]
fn a_bare_name_is_here() {
    assert_eq!(directory_of(Path::new("s")).unwrap(), Path::new("."));
}

#[test]
fn what_names_no_file_is_refused() {
    for bad in ["", "/", "..", "/run/..", "/run/a\0b", "\0abstract"] {
        let refused = directory_of(Path::new(bad));
        assert!(matches!(refused, Err(UnixError::BadPath { .. })), "{bad:?}");
    }
}
