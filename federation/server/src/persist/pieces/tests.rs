use std::sync::Arc;

use pelago_store::{Expected, MAX_VALUE, MemoryStore, Store};

use super::{PIECE, Pieces, cut, load};

#[tokio::test]
async fn a_text_that_is_not_whole_is_no_text_and_its_rest_is_swept() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut pieces = Pieces::new(&store, "x");
    let text = "x".repeat(3 * PIECE);
    pieces.put("a", "label", &text).await.expect("stored");
    let found = load(&store, "x").await.expect("loaded");
    assert_eq!(
        (found["a"].label.as_str(), &found["a"].text),
        ("label", &text)
    );
    let table = &pieces.table;
    table.delete("a.0.1", Expected::Any).await.expect("deleted");
    assert!(load(&store, "x").await.expect("loaded").is_empty());
    // Another process finds what the first left.
    let mut pieces = Pieces::new(&store, "x");
    pieces.put("a", "label", "short").await.expect("stored");
    assert_eq!(load(&store, "x").await.expect("loaded")["a"].text, "short");
    assert_eq!(store.list("x/").await.expect("list").entries.len(), 2);
    pieces.retain(|_| false).await.expect("deleted");
    assert!(store.list("x/").await.expect("list").entries.is_empty());
}

#[tokio::test]
async fn what_grows_most_as_json_still_fits() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let text = "\u{1}".repeat(PIECE);
    let mut pieces = Pieces::new(&store, "x");
    pieces.put("a", "", &text).await.expect("stored");
    assert_eq!(load(&store, "x").await.expect("loaded")["a"].text, text);
    let entries = store.list("x/").await.expect("list").entries;
    assert!(
        entries
            .iter()
            .all(|(_, found)| found.value.len() <= MAX_VALUE)
    );
}

#[test]
fn pieces_are_cut_between_characters() {
    let text = "ä".repeat(PIECE);
    let pieces: Vec<&str> = cut(&text).collect();
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE) && pieces.len() == 2);
    assert_eq!(pieces.concat(), text);
}
