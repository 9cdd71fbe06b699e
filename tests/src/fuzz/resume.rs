use std::sync::LazyLock;

use headwater_metainfo::{FileIndex, PieceIndex};
use headwater_store::{Contents, FileStamp, ResumeData, testing::Sample};

/// A small torrent for resume data to belong to: ten pieces in three files, one of them empty.
static TORRENT: LazyLock<Sample> =
    LazyLock::new(|| Sample::new([("a", 70_000), ("empty", 0), ("b", 80_000)], 16_384));

/// Resume data that is read is written so that it is read again, and never claims a piece of a file that has changed.
///
/// The input is taken as it is, and as the body of a file whose checksum is right.
pub fn resume(data: &[u8]) {
    let _ = ResumeData::decode(data);
    let Ok(resume) = ResumeData::decode(&sealed(data)) else {
        return;
    };
    let again = ResumeData::decode(&resume.encode()).expect("what is written can be read");
    assert_eq!(again, resume);
    claims_hold(&resume, &resume.stamps);
    claims_hold(&resume, &[FileStamp::MISSING; 3]);
}

/// The file whose body this is: see `headwater_store`'s description of the format.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut file = b"HWRESUME".to_vec();
    file.extend(1u32.to_be_bytes());
    file.extend(crc32fast::hash(body).to_be_bytes());
    file.extend(body);
    file
}

fn claims_hold(resume: &ResumeData, stamps: &[FileStamp]) {
    let Ok(trusted) = resume.validate(&*TORRENT, stamps) else {
        return;
    };
    let geometry = TORRENT.geometry();
    for piece in trusted.have.ones() {
        assert!(resume.have.has(piece), "{piece:?} was never claimed");
    }
    for (piece, blocks) in &trusted.partial {
        assert_eq!(blocks.len(), geometry.block_count(*piece));
    }
    for (file, entry) in TORRENT.layout().iter() {
        if stamps[file.as_usize()] == resume.stamps[file.as_usize()] || entry.is_pad() {
            continue;
        }
        assert!(trusted.changed.contains(&file));
        nothing_claimed_of(file, &trusted);
    }
}

fn nothing_claimed_of(file: FileIndex, trusted: &headwater_store::Trusted) {
    let pieces = TORRENT.layout().pieces_of(file, &TORRENT.geometry());
    for piece in pieces.map(PieceIndex) {
        assert!(!trusted.have.has(piece), "{piece:?} of a changed file");
        assert!(trusted.partial.iter().all(|(each, _)| *each != piece));
    }
}
