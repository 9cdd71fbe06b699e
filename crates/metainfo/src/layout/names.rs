//! Settling which names collide, and where links lead.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::FileEntry;
use crate::SafePath;
use crate::path::{MAX_NAME_BYTES, NUMBER_ROOM, cut_keeping_extension, split_extension};

/// The names that are taken, folded so that two names are equal here when any file system takes them for one.
pub(super) struct NameTable {
    folders: HashSet<String>,
    files: HashSet<String>,
    /// The next number to try for each folded name without its number. Without it, many files of one name cost quadratic time.
    next_number: HashMap<String, u32>,
}

impl NameTable {
    /// Takes the folders of all files, which are never renamed.
    pub(super) fn new(files: &[FileEntry]) -> Self {
        let mut table = Self {
            folders: HashSet::new(),
            files: HashSet::with_capacity(files.len()),
            next_number: HashMap::new(),
        };
        let mut last = "";
        for file in files.iter().filter(|file| !file.is_pad()) {
            let (folder, _) = file.path.split_name();
            if folder != last {
                table.take_folders(&fold(folder));
                last = folder;
            }
        }
        table
    }

    /// Gives every file but pad files a name of its own, in order, and drops links that lead nowhere.
    pub(super) fn settle(mut self, files: &mut [FileEntry]) {
        let links = LinkTargets::new(files);
        for file in files.iter_mut().filter(|file| !file.flags.pad) {
            if let Some(path) = self.take(&file.path) {
                file.keep_raw_path();
                file.path = path;
            }
        }
        if let Some(links) = links {
            links.settle(files);
        }
    }

    /// `folder` and every folder around it.
    fn take_folders(&mut self, folder: &str) {
        let mut folder = folder;
        while !folder.is_empty() && !self.folders.contains(folder) {
            self.folders.insert(folder.to_owned());
            folder = folder.rsplit_once('/').map_or("", |(outer, _)| outer);
        }
    }

    /// Takes `path`, or else the first numbered path that is free, which it then gives.
    fn take(&mut self, path: &SafePath) -> Option<SafePath> {
        if self.take_folded(fold(path.as_str())) {
            return None;
        }
        let (folder, name) = path.split_name();
        // Always the same room, so that one counter serves all names with the same cut.
        let name = cut_keeping_extension(name, MAX_NAME_BYTES - NUMBER_ROOM);
        let (stem, extension) = split_extension(&name);
        let counter = fold(&format!("{folder}/{name}"));
        let mut number = self.next_number.get(&counter).copied().unwrap_or(2);
        loop {
            let candidate = path.with_safe_name(&format!("{stem} ({number}){extension}"));
            number += 1;
            if self.take_folded(fold(candidate.as_str())) {
                self.next_number.insert(counter, number);
                return Some(candidate);
            }
        }
    }

    fn take_folded(&mut self, folded: String) -> bool {
        !self.folders.contains(&folded) && self.files.insert(folded)
    }
}

impl FileEntry {
    fn keep_raw_path(&mut self) {
        if self.raw_path.is_none() {
            self.raw_path = Some(
                self.path
                    .components()
                    .map(|c| c.as_bytes().into())
                    .collect(),
            );
        }
    }
}

/// What links may lead to: files by the path that they had before any was renamed, and folders.
struct LinkTargets {
    files: HashMap<SafePath, usize>,
    folders: HashSet<String>,
}

impl LinkTargets {
    /// `None` when there is no link, as in nearly every torrent.
    fn new(files: &[FileEntry]) -> Option<Self> {
        files.iter().find(|file| file.symlink_target.is_some())?;
        let mut targets = Self {
            files: HashMap::new(),
            folders: HashSet::new(),
        };
        for (index, file) in files.iter().enumerate().filter(|(_, file)| !file.is_pad()) {
            targets.files.entry(file.path.clone()).or_insert(index);
            let mut folder = file.path.split_name().0;
            while !folder.is_empty() && targets.folders.insert(folder.to_owned()) {
                folder = folder.rsplit_once('/').map_or("", |(outer, _)| outer);
            }
        }
        Some(targets)
    }

    fn settle(self, files: &mut [FileEntry]) {
        for index in 0..files.len() {
            let Some(target) = files[index].symlink_target.take() else {
                continue;
            };
            files[index].symlink_target = match self.files.get(&*target) {
                Some(&there) if there == index => None,
                Some(&there) => Some(Box::new(files[there].path.clone())),
                None => self.folders.contains(target.as_str()).then_some(target),
            };
        }
    }
}

/// `path` so that what any file system takes for the same path is the same: letter case and Unicode normalisation are gone.
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    path.nfd().flat_map(fold_char).nfd().collect()
}

/// To upper case first, because only that way some letters meet (`ς` and `σ`).
/// Dotless `ı` stays: Turkish tells it from `i`, and so does every file system.
fn fold_char(char: char) -> impl Iterator<Item = char> {
    let dotless = (char == 'ı').then_some(char);
    let upper = (char != 'ı').then(|| char.to_uppercase());
    dotless
        .into_iter()
        .chain(upper.into_iter().flatten().flat_map(char::to_lowercase))
}
