"""Types of events of OpenAI's responses and realtime APIs: words of the format.

Sources: openai-python `types/responses/response_stream_event.py`, `types/responses/responses_server_event.py`,
`types/realtime/*`, `types/beta/realtime/*` (openai 3.x).
"""

from appliance.inspect.segments import words

EVENTS = words("""
    error response.created response.queued response.in_progress response.completed response.incomplete response.failed
    response.done response.cancel response.create response.steer response.steer.accepted response.steer.failed
    response.steer.pending response.output_item.added response.output_item.done response.content_part.added
    response.content_part.done response.output_text.delta response.output_text.done
    response.output_text.annotation.added response.text.delta response.text.done response.refusal.delta
    response.refusal.done response.reasoning_text.delta response.reasoning_text.done
    response.reasoning_summary_part.added response.reasoning_summary_part.done
    response.reasoning_summary_text.delta response.reasoning_summary_text.done
    response.function_call_arguments.delta response.function_call_arguments.done
    response.custom_tool_call_input.delta response.custom_tool_call_input.done
    response.mcp_call_arguments.delta response.mcp_call_arguments.done response.mcp_call.in_progress
    response.mcp_call.completed response.mcp_call.failed response.mcp_list_tools.in_progress
    response.mcp_list_tools.completed response.mcp_list_tools.failed response.code_interpreter_call_code.delta
    response.code_interpreter_call_code.done response.code_interpreter_call.in_progress
    response.code_interpreter_call.interpreting response.code_interpreter_call.completed
    response.shell_call_command.added response.shell_call_command.delta response.shell_call_command.done
    response.shell_call_output_content.delta response.shell_call_output_content.done
    response.web_search_call.in_progress response.web_search_call.searching response.web_search_call.completed
    response.file_search_call.in_progress response.file_search_call.searching response.file_search_call.completed
    response.image_generation_call.in_progress response.image_generation_call.generating
    response.image_generation_call.partial_image response.image_generation_call.completed
    response.compaction.compacting response.audio.delta response.audio.done response.audio.transcript.delta
    response.audio.transcript.done response.audio_transcript.delta response.audio_transcript.done
    response.output_audio.delta response.output_audio.done response.output_audio_transcript.delta
    response.output_audio_transcript.done
    conversation.created conversation.item.added conversation.item.create conversation.item.created
    conversation.item.delete conversation.item.deleted conversation.item.done conversation.item.retrieve
    conversation.item.retrieved conversation.item.truncate conversation.item.truncated
    conversation.item.input_audio_transcription.delta conversation.item.input_audio_transcription.segment
    conversation.item.input_audio_transcription.completed conversation.item.input_audio_transcription.failed
    input_audio_buffer.append input_audio_buffer.clear input_audio_buffer.cleared input_audio_buffer.commit
    input_audio_buffer.committed input_audio_buffer.dtmf_event_received input_audio_buffer.speech_started
    input_audio_buffer.speech_stopped input_audio_buffer.timeout_triggered output_audio_buffer.clear
    output_audio_buffer.cleared output_audio_buffer.started output_audio_buffer.stopped mcp_list_tools.in_progress
    mcp_list_tools.completed mcp_list_tools.failed rate_limits.updated session.created session.update session.updated
    session.close session.closed session.input_audio_buffer.append session.input_transcript.delta
    session.output_audio.delta session.output_transcript.delta transcription_session.update
    transcription_session.updated
""")
"""Of the server and of the client."""
