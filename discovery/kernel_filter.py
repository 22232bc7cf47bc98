"""Which packets the kernel hands to the sensor: the expression for libpcap, per link type, and the program built in.

Owns: what may be lost before any parser sees it. Rules: pure; lets through the beginnings that the engine reads (TLS
handshakes, HTTP requests, DNS and its local kin, QUIC, DTLS), the SYN that tells where a connection begins, what
else clients send towards the lower port while it is no TLS record of application data (the rest of a split hello or
head), fragments, and everything tunnelled.
A hello inside a CONNECT tunnel is a beginning like any other, whatever the port. `PROGRAMS` are these expressions as
libpcap 1.10 compiled them (`python -m discovery.capture` prints them): they serve where libpcap is not installed.
"""

import base64
import zlib
from collections.abc import Iterable
from typing import Final

ETHERNET: Final = 1
RAW_IP: Final = 101
_METHODS: Final = (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"CONN", b"PATC", b"TRAC")
_V4: Final = "((tcp[12] & 0xf0) >> 2)"  # where a TCP payload begins, from the TCP head
_V6: Final = "(40 + ((ip6[52] & 0xf0) >> 2))"  # the same from the IPv6 head; libpcap's tcp[] knows IPv4 only
_SHORT: Final = 7  # bytes of payload that what tells a beginning reads
_TUNNELS: Final = (4789, 8472, 6081, 2152, 4754, 3544, 5247)  # VXLAN twice, Geneve, GTP-U, GRE, Teredo, CAPWAP
_ETHERTYPES: Final = ("0x8100", "0x88a8", "0x9100", "0x8864", "0x8847", "0x8848")  # VLAN thrice, PPPoE, MPLS twice
_QUIC_BYTES: Final = 700  # a first packet fills its datagram to 1,200 bytes; shorter long headers follow


def expression(linktype: int, ports: Iterable[int] = ()) -> str:
    """For `ETHERNET` or `RAW_IP`. `ports`: TCP ports of which every payload towards them passes."""
    terms = [_tcp4(ports), _tcp6(ports), *_udp(), "(ip and ip[6:2] & 0x3fff != 0)"]
    terms += [f"ip proto {number}" for number in (4, 41, 47)]
    # Behind an extension head nothing has a fixed place: all of these pass, there are few.
    terms += [f"ip6[6] = {number}" for number in (0, 4, 41, 43, 44, 47, 51, 60)]
    if linktype == ETHERNET:
        terms += [f"ether proto {number}" for number in _ETHERTYPES]
    return " or ".join(f"({term})" for term in terms)


def _tcp4(ports: Iterable[int]) -> str:
    size, to = f"(ip[2:2] - ((ip[0] & 0xf) << 2) - {_V4})", _towards("tcp[2:2]", "tcp[0:2]", ports)
    some = _some(size, to, "tcp", _V4)
    return f"ip and tcp and (tcp[13] & 0x12 = 2 or ({some}))"


def _tcp6(ports: Iterable[int]) -> str:
    size, to = f"(ip6[4:2] + 40 - {_V6})", _towards("ip6[42:2]", "ip6[40:2]", ports)
    some = _some(size, to, "ip6", _V6)
    return f"ip6 and ip6[6] = 6 and (ip6[53] & 0x12 = 2 or ({some}))"


def _some(size: str, towards: str, base: str, start: str) -> str:
    """Of a payload. A read beyond a packet's end makes the kernel drop it, so that short ones are asked about first."""
    onwards = f"({towards} and not ({base}[{start}:2] = 0x1703 and {base}[{start} + 2] <= 4))"
    short = f"({size} < {_SHORT} and ({towards} or port 53))"
    long = f"({size} >= {_SHORT} and ({_beginning(base, start)} or {onwards} or port 53))"
    return f"{size} != 0 and ({short} or {long})"


def _beginning(base: str, start: str) -> str:
    """A handshake record with a ClientHello, also behind a change of cipher spec, or the first word of a request."""
    hello = f"({base}[{start}:2] = 0x1603 and {base}[{start} + 5] <= 1)"
    second = f"({base}[{start}:2] = 0x1403 and {base}[{start} + 6] = 0x16)"
    words = " or ".join(f"{base}[{start}:4] = 0x{word.hex()}" for word in _METHODS)
    return f"{hello} or {second} or {words}"


def _towards(to: str, of: str, ports: Iterable[int]) -> str:
    """Towards the lower port, or one of ours: that is where clients send."""
    ours = "".join(f" or {to} = {port}" for port in sorted(set(ports)))
    return f"({to} < {of}{ours})"


def _udp() -> list[str]:
    # A long QUIC head, or a DTLS record with a ClientHello.
    long4 = f"((udp[8] & 0x80 != 0 and udp[4:2] >= {_QUIC_BYTES}) or (udp[8:2] = 0x16fe and udp[21] = 1))"
    long6 = f"((ip6[48] & 0x80 != 0 and ip6[44:2] >= {_QUIC_BYTES}) or (ip6[48:2] = 0x16fe and ip6[61] = 1))"
    ports = " or ".join(f"udp port {port}" for port in (53, 5353, 5355, *_TUNNELS))
    return [f"ip and udp and {long4}", f"ip6 and ip6[6] = 17 and {long6}", ports]


def built_in(linktype: int) -> bytes | None:
    """The compiled program without further ports: 8 bytes per instruction, little-endian; None: there is none."""
    packed = PROGRAMS.get(linktype)
    return None if packed is None else zlib.decompress(base64.b85decode(packed))


def packed(program: bytes) -> str:
    """A program as it stands in `PROGRAMS`."""
    return base64.b85encode(zlib.compress(program, 9)).decode()


PROGRAMS: Final[dict[int, str]] = {
    ETHERNET: (
        "c-o~_OHWf_5Iwh)+m^OK%e}1v%0o?RG-^PI8WpiL)L@`O@v+hcF)rL`+=7XL#`pr?Z{xzaG8*HKjSK&Q4}9(17!%_!uzrto>AeLD#wL^"
        "Lckj%ZnQ!Jyn*tCKVgol21h$CpNqs(P3Y`*S3CW-u#TMX&_+Bd{C!|S8UPxTq8$O|{g)|u2uU?3J=7+|urG1@{F}@235n*wRcFoWqAD_"
        "G9HPZi=kkc;z2>pXDe;a3%?h>g7JawE}P{(4p5#j`>v$Pj=hN==v`}=tp<v2O|twYUE!@;wbhi6v6v+)fH{Ciz{=Ka5*HJ|CX@frD%p`"
        "49R;yfz!NA&e(vNq<B*`MjN@d5ktxgi_xF*rDsw($<>e6O&3i*)aB-ie=e^*`vkKN+{i)vsMD%m3=fo2umU?$1}TAG0C9XHGVG=4AQx;"
        "HA5sQl8J{EY9QDc-G#f^KXlJ;<hZ9&xCpo-vs^RYObGP)~C-2jpO^B(DrN8`7sPn{72C79^$(t^#lA+`aWL8rM`z1ZBpOG>!j3oa3U!6"
        "ZOo|mw=fr#`X<ILcOBP>dyTkPi918wY2scX?q%X$BJM@vUQoEDdpM6`k9!{#R1a-TVZG9mQ=4_&<6kGWou$viCihL+v!5nZ?@~NFy>@0"
        "o+VB0#ela*Jsj~So*!PHM?+iG5r!%kwZixNq)_I$9uaw7e_Q=9{4IDQdKWlM6lYUXpo;a%JrBYs1+zUFdBisvzxfc#`FC64v80B8bb1#"
        "f=FAQ@p98h~f=C+M7oZpr1vi)x={=`-OmGX;t?=2(wzgYe5dP?`!V>-Qe@(Gva6J<VO&FAe-K6<_koYQgr?mBF2RXlKTZFF>MUW7Yh+C"
        "CT~&Tbc<rTq>yFB=t~Q+)66S=tY%b4tydYtEA~PyDrI@!QGEHuAESylf#aSCf~k$jfH(vWdKGBrjLa^HRr25-&kKn|K!S8i*GsUW|D4#"
        "H&+yr8=VIO@#aolixMipma#wjMPDBz6a2$v>Di`v|z_ssr`6bkXm$mT52E03c6qY1^xddThKFBENU%3e*iK5w%Y"
    ),
    RAW_IP: (
        "c-o~_OK%cU6h1S+@D@QX)Y@3vM1zW!1X-A9T0)7KRzQjicPw1EaHnzM#>N`s`)z&3g-c^%x-fC!rvJdVUAnby`~~8Dd;@oeN->h0oZOj"
        "vzH`pK=lg~nsb7=ZFK&!zaf<sKx1d^|vbfK16TVD7YL5~vA+F9Xiui=uZ<yTsxWx<=XTrR|we!WeoxnRkw*a>m_KjeliRXI0h*s|zEk1"
        "(yfELf_tn>w5y5G^q>7G8;!j0g)AHLGTrJyIZe!LfF;l`=MZ>P|zVdEtS!?XI}G5Ss^`uD!3I`J#Ctyw<A=o>ZXYIR0m`T7|5Uue2mt}"
        "yyc<=OHyqfd0WS+6nrNY!es#OMQ+nnk|vJ(Y@$=8|?^rgo1NEpJG>uY)u!pZ~{wEPK*}ouAqFKHdhsjyc)un3KW#q1Spp-8x^1S?u62d"
        "O2QD^^e6Jc}IKZGa#RnIgfa+oa-0#&Q$Aw!ZClR)P5%IIT?=p&q(EaN<WgqKcSz}Kc+Vc;UCe^nD7s2IW7DmoeT*7fbPoo_h}_6{5?9K"
        ")cd#t+}pst1>Bp!y#d_oz`X|CtH8Yi+{+TTdk&YVJ*n%_McFr_1==b7g@p;1u0Y4;TX=4%b;H8C;Lxjcvi=Ot)4qFqM#TPof6*HQIWw+"
        "#GB5`bhYroyI+XXXgB!$sWmMgk&>43gTUUDL*WWVixa8V#7UH4~-8e3FqhDPf=!B|k4m#0*P8@|!)S(kK=tLDdaRfRs3!RveIw7!jA&3"
        "2)$+*4;mgG}H*4eMVi1XYgg&wTczur&x-1b}c-P`qqUG+p!PgwCgPmcLA_+-kwUcC>-^`oHSGRp2zJPBvxYJVUOoSepQu|F&4WryT<2J"
        "dZt=Tr@RJuc@>oAY$sk$<Zz{|I=x1w0)FPd9_7L*Qu|JWYY83_MMOr<*!FRe9pT+X%cE@HPN13cLvL!oUjwFDUW4efTk#7WnQ1-@UY3d"
        "XGFG#&2o@=by*_j|0GHx0M&aKc0TAW&"
    ),
}
