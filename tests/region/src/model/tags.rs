//! Tags of volumes, interfaces, instances and subnets.

use super::sources::*;
use super::*;

/// EC2 user guide, tag restrictions.
const MOST_TAGS: usize = 50;

impl Region {
    fn tags_of(&self, id: &str) -> Result<&Tags, Refusal> {
        let absent = |rule, what: &str| Refusal::of(rule, format!("The {what} '{id}' does not exist"));
        match id.split_once('-').map(|(prefix, _)| prefix) {
            Some("vol") => {
                let volume = self.volumes.get(id).ok_or_else(|| absent(&VOLUME_NOT_FOUND, "volume"))?;
                Ok(&volume.get().tags)
            }
            Some("eni") => {
                let eni = self.enis.get(id).ok_or_else(|| absent(&ENI_NOT_FOUND, "networkInterface ID"))?;
                Ok(&eni.get().tags)
            }
            Some("i") => Ok(&self.the_instance(id)?.tags),
            Some("subnet") => {
                let subnet = self.subnets.get(id).ok_or_else(|| absent(&SUBNET_NOT_FOUND, "subnet ID"))?;
                Ok(&subnet.tags)
            }
            _ => Err(Refusal::of(&TAGGED_NOT_FOUND, format!("The ID '{id}' is not valid"))),
        }
    }

    fn change_tags(&mut self, id: &str, change: impl FnOnce(&mut Tags)) {
        let changed = match id.split_once('-').map(|(prefix, _)| prefix) {
            Some("vol") => self.tag_volume(id, change),
            Some("eni") => self.tag_eni(id, change),
            Some("i") => self.tag_instance(id, change),
            _ => self.subnets.get_mut(id).map(|subnet| {
                change(&mut subnet.tags);
                subnet.tags.clone()
            }),
        };
        if let Some(tags) = changed {
            self.record(Event::TagsChanged { resource: id.to_owned(), tags });
        }
    }

    pub(super) fn create_tags_now(&mut self, request: &TagsRequest) -> Result<(), Refusal> {
        let reserved = request.tags.iter().find(|(key, _)| key.to_ascii_lowercase().starts_with("aws:"));
        if let Some((key, _)) = reserved {
            let message = format!(
                "Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved"
            );
            return Err(Refusal::of(&RESERVED_TAG, message));
        }
        // All of them or none.
        for id in &request.resources {
            let have = self.tags_of(id)?;
            let new = request.tags.iter().filter(|(key, _)| !have.contains_key(key)).count();
            if have.keys().filter(|key| !key.starts_with("aws:")).count() + new > MOST_TAGS {
                return Err(Refusal::of(
                    &TAG_LIMIT,
                    "The maximum number of Tags for a resource has been reached.",
                ));
            }
        }
        for id in &request.resources {
            self.change_tags(id, |tags| {
                for (key, value) in &request.tags {
                    tags.insert(key.clone(), value.clone().unwrap_or_default());
                }
            });
        }
        Ok(())
    }

    pub(super) fn delete_tags_now(&mut self, request: &TagsRequest) -> Result<(), Refusal> {
        for id in &request.resources {
            self.tags_of(id)?;
        }
        for id in &request.resources {
            self.change_tags(id, |tags| {
                for (key, value) in &request.tags {
                    if value.is_none() || tags.get(key) == value.as_ref() {
                        tags.remove(key);
                    }
                }
                if request.tags.is_empty() {
                    tags.retain(|key, _| key.starts_with("aws:"));
                }
            });
        }
        Ok(())
    }
}
