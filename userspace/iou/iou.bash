# SPDX-License-Identifier: MIT
# bash completion for iou(1)

_iou()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local words=

	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "info record replay serve ingest cat help --version" -- "$cur")
		return
	fi
	case $prev in
	--net)
		words=$(ls /sys/class/net) ;;
	--rx)
		words="auto xsk handler" ;;
	--io)
		words="auto passthrough bio" ;;
	--listen)
		words="tcp: udp:" ;;
	--flush)
		words="none every 1s" ;;
	--to | --from | --bpf | --dir | --device | --objects)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	*)
		# what the command says of itself is what there is
		words=$(iou "${COMP_WORDS[1]}" --help 2>/dev/null | grep -o -- '--[a-z-]*' | sort -u) ;;
	esac
	if [ "${COMP_WORDS[1]}" = cat ] && [[ $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _iou iou
