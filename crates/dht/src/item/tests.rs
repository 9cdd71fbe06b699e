use data_encoding::HEXLOWER;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, VerifyingKey};

use super::mutable::signed_bytes;
use super::*;

const PUBLIC: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
const EXPANDED: &str = "e06d3183d14159228433ed599221b80bd0a5ce8352e4bdf0262f76786ef1c74d\
                        b7e7a9fea2c0eb269d61e3b38e450a22e754941ac78479d6c54e1faf6037881d";
const PLAIN: &str = "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
                     1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01";
const SALTED: &str = "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
                      df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08";

fn hex<const N: usize>(text: &str) -> [u8; N] {
    HEXLOWER
        .decode(text.as_bytes())
        .unwrap()
        .try_into()
        .unwrap()
}

fn hello() -> Value {
    Value::text("Hello World!").unwrap()
}

fn vector(salt: &str, signature: &str) -> MutableItem {
    MutableItem {
        key: PublicKey(hex(PUBLIC)),
        salt: Salt::new(salt.as_bytes()).unwrap(),
        seq: 1,
        value: hello(),
        signature: Signature(hex(signature)),
    }
}

/// The BEP gives its secret key in the expanded form, which has no seed.
fn sign_expanded(message: &[u8]) -> Signature {
    let secret = ExpandedSecretKey::from_bytes(&hex(EXPANDED));
    let public = VerifyingKey::from(&secret);
    assert_eq!(public.to_bytes(), hex::<32>(PUBLIC));
    Signature(raw_sign::<Sha512>(&secret, message, &public).to_bytes())
}

#[test]
fn mutable_items_of_bep_44() {
    let cases = [
        (
            "",
            PLAIN,
            "3:seqi1e1:v12:Hello World!",
            "4a533d47ec9c7d95b1ad75f576cffc641853b750",
        ),
        (
            "foobar",
            SALTED,
            "4:salt6:foobar3:seqi1e1:v12:Hello World!",
            "411eba73b6f087ca51a3795d9c8c938d365e32c1",
        ),
    ];
    for (salt, signature, signed, target) in cases {
        let item = vector(salt, signature);
        assert!(item.is_genuine());
        assert_eq!(item.target(), NodeId(hex(target)));
        assert_eq!(signed_bytes(&item.salt, 1, &item.value), signed.as_bytes());
        assert_eq!(sign_expanded(signed.as_bytes()), item.signature);
    }
}

#[test]
fn immutable_item_of_bep_44() {
    let target = NodeId(hex("e5f96f6f38320f0f33959cb4d3d656452117aadb"));
    assert_eq!(hello().target(), target);
}

#[test]
fn whatever_is_changed_the_signature_no_longer_fits() {
    let item = vector("foobar", SALTED);
    let mut changed = vec![item.clone(); 5];
    changed[0].seq = 2;
    changed[1].value = Value::text("Hello World?").unwrap();
    changed[2].salt = Salt::new(b"foobaz").unwrap();
    changed[3].signature.0[63] ^= 1;
    changed[4].key.0[0] ^= 1;
    for forged in changed {
        assert!(!forged.is_genuine(), "{forged:?}");
    }
}

#[test]
fn a_weak_key_vouches_for_nothing() {
    // The neutral element: with R neutral and s zero, the plain equation holds for every message.
    let neutral = |length: usize| [&[1][..], &vec![0; length - 1]].concat();
    let key = PublicKey(neutral(32).try_into().unwrap());
    let signature = Signature(neutral(64).try_into().unwrap());
    assert!(!key.verifies(b"anything", &signature));
}

#[test]
fn responses_are_believed_only_about_what_was_asked_for() {
    let item = vector("foobar", SALTED);
    let mut response = Response::new(NodeId([1; 20]));
    response.value = Some(item.value.clone());
    let target = hello().target();
    let none = Salt::default();
    assert_eq!(
        Item::from_response(&response, target, &none),
        Some(Item::Immutable(hello()))
    );
    assert_eq!(Item::from_response(&response, NodeId([2; 20]), &none), None);

    response.key = Some(item.key);
    response.seq = Some(item.seq);
    response.signature = Some(item.signature);
    let read = Item::from_response(&response, item.target(), &item.salt);
    assert_eq!(read, Some(Item::Mutable(item.clone())));
    assert_eq!(Item::from_response(&response, item.target(), &none), None);
    assert_eq!(Item::from_response(&response, target, &item.salt), None);
    response.seq = Some(2);
    assert_eq!(
        Item::from_response(&response, item.target(), &item.salt),
        None
    );
}
