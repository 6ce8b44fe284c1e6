//! Launch templates: made once, with one version.

use super::sources::*;
use super::*;

impl Region {
    pub(super) fn create_template_now(
        &mut self,
        request: &CreateLaunchRequest,
    ) -> Result<TemplateView, Refusal> {
        let name = &request.data.name;
        if self.templates.contains_key(name) {
            let message = format!("Launch template name already in use: {name}");
            return Err(Refusal::of(&TEMPLATE_EXISTS, message));
        }
        let template = Template { id: self.names.id("lt"), created_at: self.now, data: request.data.clone() };
        let view = TemplateView {
            id: template.id.clone(),
            name: name.clone(),
            create_time: self.stamp(self.now),
            default_version: 1,
            latest_version: 1,
        };
        self.templates.insert(name.clone(), template);
        Ok(view)
    }

    /// A template by name or id.
    pub(super) fn template(&self, name: &str) -> Result<&Template, Refusal> {
        let by_id = || self.templates.values().find(|template| template.id == name);
        self.templates.get(name).or_else(by_id).ok_or_else(|| {
            let message =
                format!("The specified launch template, with template name {name}, does not exist.");
            Refusal::of(&TEMPLATE_NOT_FOUND, message)
        })
    }
}
