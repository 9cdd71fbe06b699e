#![allow(clippy::single_range_in_vec_init)]

use super::*;

const INFO_HASH: InfoHash = InfoHash([7; 20]);

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("parts")
    }

    fn open(&self) -> PartFile {
        let geometry = PieceGeometry::new(10_000, 1_000).unwrap();
        PartFile::open(self.path(), INFO_HASH, geometry, false, false).unwrap()
    }
}

fn write(part: &mut PartFile, offset: u64, data: &[u8]) {
    part.write(offset, &[IoSlice::new(data)]).unwrap();
}

fn read(part: &PartFile, range: Range<u64>) -> Vec<u8> {
    let mut buf = vec![0; (range.end - range.start) as usize];
    part.read(range.start, &mut buf).unwrap();
    buf
}

fn extents(part: &PartFile) -> Vec<Range<u64>> {
    part.extents(0..10_000).collect()
}

#[test]
fn ranges_are_kept_apart_and_survive_a_restart() {
    let fixture = Fixture::new();
    let mut part = fixture.open();
    assert!(!fixture.path().exists(), "nothing is created for nothing");
    write(&mut part, 4_990, &[1; 20]);
    write(&mut part, 100, &[2; 10]);
    write(&mut part, 110, &[3; 10]);
    write(&mut part, 5_500, &[4; 10]);
    for part in [part, fixture.open()] {
        let all = [100..120, 4_990..5_000, 5_000..5_010, 5_500..5_510];
        assert_eq!(extents(&part), all);
        assert_eq!(read(&part, 100..120), [[2; 10], [3; 10]].concat());
        assert_eq!(read(&part, 4_990..5_000), [1; 10]);
        assert_eq!(read(&part, 5_000..5_010), [1; 10]);
        assert_eq!(read(&part, 5_500..5_510), [4; 10]);
    }
}

#[test]
fn a_record_cut_off_in_the_middle_leaves_the_one_before() {
    let fixture = Fixture::new();
    let mut part = fixture.open();
    write(&mut part, 2_000, &[1; 10]);
    write(&mut part, 2_500, &[2; 10]);
    let newest = part.shape.record_start(0, part.slots[&2].sequence);
    let file = part.file.as_ref().unwrap();
    write_all_at(file, &mut [IoSlice::new(&[0; 9])], newest + 4, false).unwrap();
    let part = fixture.open();
    assert_eq!(extents(&part), vec![2_000..2_010]);
    assert_eq!(read(&part, 2_000..2_010), [1; 10]);
}

#[test]
fn a_slot_is_taken_again_only_after_a_sync() {
    let fixture = Fixture::new();
    let mut part = fixture.open();
    write(&mut part, 0, &[1; 10]);
    write(&mut part, 1_000, &[2; 10]);
    part.forget(0..1_000).unwrap();
    write(&mut part, 2_000, &[3; 10]);
    assert_eq!(part.slots[&2].index, 2);
    part.sync().unwrap();
    write(&mut part, 3_000, &[4; 10]);
    assert_eq!(part.slots[&3].index, 0);
    let part = fixture.open();
    assert_eq!(extents(&part), [1_000..1_010, 2_000..2_010, 3_000..3_010]);
    assert_eq!(read(&part, 3_000..3_010), [4; 10]);
}

#[test]
fn the_last_byte_takes_the_file_with_it() {
    let fixture = Fixture::new();
    let mut part = fixture.open();
    write(&mut part, 900, &[1; 200]);
    part.forget(950..2_000).unwrap();
    assert_eq!(extents(&part), vec![900..950]);
    assert!(fixture.path().exists());
    part.forget(0..10_000).unwrap();
    assert!(!fixture.path().exists());
    write(&mut part, 0, &[2; 10]);
    assert_eq!(read(&part, 0..10), [2; 10]);
    assert_eq!(extents(&fixture.open()), vec![0..10]);
}

#[test]
fn a_file_of_another_torrent_or_a_damaged_one_counts_as_empty() {
    let fixture = Fixture::new();
    let mut part = fixture.open();
    write(&mut part, 0, &[1; 10]);
    let good = std::fs::read(fixture.path()).unwrap();
    for at in [0, 9, 15, 20, 37] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(fixture.path(), bad).unwrap();
        let mut part = fixture.open();
        assert!(!part.touches(0..10_000), "byte {at}");
        write(&mut part, 50, &[5; 5]);
        assert_eq!(extents(&fixture.open()), vec![50..55]);
    }
    for length in [0, 10, 4_096, 5_000, 8_192] {
        std::fs::write(fixture.path(), &good[..length]).unwrap();
        drop(fixture.open());
    }
}
