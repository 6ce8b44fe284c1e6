//! The service manager of one host.

use crate::broker;
use crate::runs::Caller;
use async_trait::async_trait;
use berth_lifecycle::ports::{Service, ServiceError, Unit, UnitState};
use berth_plan::service::start_command::StartCommand;
use std::sync::Arc;

pub(crate) struct Units(pub(crate) Arc<Caller>);

#[async_trait]
impl Service for Units {
    async fn unit(&self, _name: &str) -> Result<Unit, ServiceError> {
        Ok(self
            .0
            .local("unit", 1, |s, me| {
                let broker = &s.host(me).broker;
                Unit {
                    state: broker.state,
                    invocation: broker.invocation.to_string(),
                    result: broker.result.clone(),
                }
            })
            .await)
    }

    async fn start_command(&self, _name: &str) -> Result<Option<StartCommand>, ServiceError> {
        Ok(self
            .0
            .local("start command", 1, |s, me| {
                let host = s.host(me);
                let named = format!("/opt/kafka/bin/kafka-server-start.sh {}", host.unit_file);
                Some(StartCommand {
                    text: host.unit_command.clone().unwrap_or(named),
                    directory: "/".to_owned(),
                    files: vec!["/usr/lib/systemd/system/kafka.service".to_owned()],
                    ..StartCommand::default()
                })
            })
            .await)
    }

    async fn forget_failures(&self, _name: &str) -> Result<(), ServiceError> {
        self.0
            .local("forget failures", 1, |s, me| {
                let broker = &mut s.host(me).broker;
                broker.starts = 0;
                if broker.state == UnitState::Failed {
                    broker.state = UnitState::Inactive;
                }
            })
            .await;
        Ok(())
    }

    async fn start(&self, _name: &str) -> Result<(), ServiceError> {
        let world = self.0.world.clone();
        self.0.local("start unit", 5, |s, me| broker::start(&world, s, me)).await;
        Ok(())
    }

    async fn stop(&self, _name: &str) -> Result<(), ServiceError> {
        self.0
            .local("stop unit", 500, |s, me| {
                let session = s.host(me).broker.stopped("success");
                s.tell(format!("{me} kafka stopped"));
                s.end_session(session);
            })
            .await;
        Ok(())
    }
}
