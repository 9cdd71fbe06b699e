use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::lost_writes;
use super::tally::Tally;

#[test]
fn a_crash_of_the_machine_makes_no_lie_of_what_was_claimed() {
    let rng = rand::random();
    let folder = tempfile::tempdir_in(crate::files::memory_folder()).unwrap();
    let mut tally = Tally::new(rng);
    let mut noise = SmallRng::seed_from_u64(rng);
    lost_writes::run(40, &mut noise, folder.path(), &mut tally).unwrap();
    tally.print(false);
    tally.verdict().unwrap();
}
