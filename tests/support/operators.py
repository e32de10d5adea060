"""What operators can do to a workflow that no client has a method for."""

from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import Client


async def delete_workflow(client: Client, workflow_id: str) -> None:
    """Delete the workflow's newest run, open or not, and all that Temporal knows of it."""
    execution = WorkflowExecution(workflow_id=workflow_id)
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    )


async def reset_workflow(client: Client, workflow_id: str, part: float) -> None:
    """Reset the newest run to before what one of its tasks decided: 0.0 the first, 1.0 the last.

    Raises ValueError while it has decided nothing.
    """
    run_id = (await client.get_workflow_handle(workflow_id).describe()).run_id
    history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    decided = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    tasks = [event.event_id for event in history.events if event.event_type == decided]
    if not tasks:
        raise ValueError("nothing was decided yet")
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            workflow_task_finish_event_id=tasks[round(part * (len(tasks) - 1))],
            reason="an operator's reset",
            request_id=uuid4().hex,
        )
    )
