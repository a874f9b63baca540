use super::*;
use crate::memory::MemoryStore;

async fn write(store: &MemoryStore, key: &str, value: &str) {
    let key = Key::new(key).unwrap();
    let value = Some(value.as_bytes().to_vec());
    let swap = store.compare_and_swap(&key, Expected::Any, value).await;
    assert!(matches!(swap, Ok(Swap::Done(_))));
}

async fn stored(store: &MemoryStore) -> serde_json::Value {
    let held = store.get(&header_key().unwrap()).await.unwrap().unwrap();
    serde_json::from_slice(&held.value).unwrap()
}

#[tokio::test]
async fn binds_an_empty_store_and_opens_it_again() {
    let store = MemoryStore::new();
    let schema = Schema::open(&store, "east").await.unwrap();
    assert_eq!(schema.header().cluster, "east");
    let before = store.list("").await.unwrap();
    let again = Schema::open(&store, "east").await.unwrap();
    assert_eq!(again.header(), schema.header());
    assert_eq!(
        store.list("").await.unwrap(),
        before,
        "nothing is rewritten"
    );
}

#[tokio::test]
async fn refuses_another_cluster() {
    let store = MemoryStore::new();
    Schema::open(&store, "east").await.unwrap();
    let error = Schema::open(&store, "west").await.unwrap_err();
    assert!(matches!(error, SchemaError::OtherCluster { .. }));
    assert!(error.to_string().contains("\"east\"") && error.to_string().contains("\"west\""));
    assert_eq!(stored(&store).await["cluster"], "east");
}

#[tokio::test]
async fn refuses_a_format_it_would_misread() {
    let store = MemoryStore::new();
    // Whatever else the header of a later format has or lacks.
    let header = r#"{"format":7,"oldest_reader":5,"writer":"pelago 3.0.0","owner":{}}"#;
    write(&store, "meta/schema", header).await;
    let error = Schema::open(&store, "east").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "state written by format 7, which needs at least reader 5; \
         this binary reads up to 1: upgrade pelago"
    );
    let held = store.get(&header_key().unwrap()).await.unwrap().unwrap();
    assert_eq!(held.value, header.as_bytes(), "the header is left alone");
}

#[tokio::test]
async fn keeps_the_header_of_a_newer_format_it_can_read() {
    let store = MemoryStore::new();
    let header = r#"{"format":7,"oldest_reader":1,"writer":"pelago 3.0.0","cluster":"east"}"#;
    write(&store, "meta/schema", header).await;
    let schema = Schema::open(&store, "east").await.unwrap();
    assert_eq!(schema.header().format, 7);
    assert_eq!(stored(&store).await["writer"], "pelago 3.0.0");
}

#[tokio::test]
async fn names_itself_as_the_writer_of_its_own_format() {
    let store = MemoryStore::new();
    let header = r#"{"format":1,"oldest_reader":1,"writer":"pelago 0.0.1","cluster":"east"}"#;
    write(&store, "meta/schema", header).await;
    Schema::open(&store, "east").await.unwrap();
    assert_ne!(stored(&store).await["writer"], "pelago 0.0.1");
}

#[tokio::test]
async fn refuses_content_without_a_header_and_a_header_without_sense() {
    let store = MemoryStore::new();
    write(&store, "peer/west", "{}").await;
    let error = Schema::open(&store, "east").await.unwrap_err();
    assert!(matches!(&error, SchemaError::Headless { key } if key.as_str() == "peer/west"));

    for header in ["", "{}", "7", r#"{"format":1,"oldest_reader":1}"#] {
        let store = MemoryStore::new();
        write(&store, "meta/schema", header).await;
        let error = Schema::open(&store, "east").await.unwrap_err();
        assert!(matches!(error, SchemaError::Header(_)), "{header}");
    }
}
