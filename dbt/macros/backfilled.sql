{#
  Whether the day `column` is to be computed anew, whether or not anything of it changed: dbt's own --event-time-start and
  --event-time-end, which ask a microbatch model for its batches, ask models that use this for their days. A day that
  they touch is computed as a whole. Without them: false.
#}
{% macro backfilled(column) %}
  {%- set start, end = invocation_args_dict.get('event_time_start'), invocation_args_dict.get('event_time_end') -%}
  {%- if start and end -%}
    {%- set last = end - modules.datetime.timedelta(microseconds=1) -%}
    {{ column }} between date '{{ start.date() }}' and date '{{ last.date() }}'
  {%- else -%}
    false
  {%- endif -%}
{% endmacro %}
