//! What a failed run is read by.

use super::LabRun;

impl LabRun {
    /// What failed runs are read by: the ends of all logs and of the journal.
    pub fn tails(&self) -> String {
        let mut text = String::new();
        for known in self.instances() {
            let directory = self.inner.ledger.logs().join(&known.id);
            let mut files: Vec<_> =
                std::fs::read_dir(&directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
            files.sort();
            for file in files {
                let all = std::fs::read_to_string(&file).unwrap_or_default();
                let lines: Vec<&str> = all.lines().collect();
                let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                text += &format!(
                    "\n== {} ({}) {name}, the last of {} lines\n",
                    known.label,
                    known.state,
                    lines.len()
                );
                text += &lines[lines.len().saturating_sub(15)..].join("\n");
            }
        }
        let journal = self.journal(0);
        text += &format!("\n\n== the region's journal, the last of {} entries\n", journal.len());
        for entry in &journal[journal.len().saturating_sub(25)..] {
            text += &format!("{}\n", serde_json::to_string(entry).unwrap_or_default());
        }
        text
    }
}
