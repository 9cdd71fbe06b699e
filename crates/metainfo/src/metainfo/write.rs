//! Writing a torrent that was read, or put together from a magnet link.

use headwater_bencode::{DictEncoder, Encoder, ListEncoder};

use super::Metainfo;

pub(super) fn torrent(metainfo: &Metainfo) -> Vec<u8> {
    let tiers = &metainfo.trackers;
    let has_tiers = tiers.len() > 1 || tiers.first().is_some_and(|tier| tier.len() > 1);
    Encoder::dict_to_vec(|dict| {
        put_text(dict, "announce", tiers.iter().flatten().next());
        if has_tiers {
            dict.key("announce-list").list(|list| {
                for tier in tiers {
                    list.item().list(|list| put_texts(list, tier));
                }
            });
        }
        put_text(dict, "comment", metainfo.comment.as_ref());
        put_text(dict, "created by", metainfo.created_by.as_ref());
        if let Some(date) = metainfo.creation_date {
            dict.key("creation date").int(date);
        }
        put_list(dict, "httpseeds", &metainfo.http_seeds);
        dict.key("info").raw(metainfo.info.raw());
        if !metainfo.nodes.is_empty() {
            dict.key("nodes").list(|list| {
                for node in &metainfo.nodes {
                    list.item().list(|list| {
                        list.item().bytes(node.host());
                        list.item().int(node.port());
                    });
                }
            });
        }
        put_list(dict, "url-list", &metainfo.web_seeds);
    })
}

fn put_text(dict: &mut DictEncoder<'_>, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        dict.key(key).bytes(text);
    }
}

fn put_list(dict: &mut DictEncoder<'_>, key: &str, texts: &[String]) {
    if !texts.is_empty() {
        dict.key(key).list(|list| put_texts(list, texts));
    }
}

fn put_texts(list: &mut ListEncoder<'_>, texts: &[String]) {
    for text in texts {
        list.item().bytes(text);
    }
}
