"""Which packets the kernel hands to the sensor: the expression for libpcap, per link type, and the program built in.

Owns: what may be lost before any parser sees it. Rules: pure; lets through
* the beginnings that the engine reads: TLS handshake records and alerts of either side, HTTP requests and answers,
  clear HTTP/2, DNS and its local kin, the names that hosts give themselves, QUIC, DTLS;
* SYN, FIN and RST, which tell where a connection begins and how many bytes it carried;
* what else clients send towards the lower port, if it is no TLS record of application data: the rest of a split hello;
* of what servers send, a piece that begins like JSON or an event of a stream, and from the ports of TLS the pieces that
  are no ciphertext, which is how the later segments of a certificate look (`_legible`);
* fragments, and everything tunnelled.
The filter has no memory: the second segment of a certificate is told from ciphertext by its bytes alone. A hello inside
a CONNECT tunnel is a beginning like any other, whatever the port. `PROGRAMS` are these expressions as libpcap 1.10
compiled them (`python -m discovery.capture` prints them): they serve where libpcap is not installed.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

ETHERNET: Final = 1
RAW_IP: Final = 101
_WORDS: Final = (
    *(b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"CONN", b"PATC", b"TRAC"),
    *(b"HTTP", b"PRI ", b"data", b"even"),  # an answer; HTTP/2 in clear; an event of a stream
)
_OPENINGS: Final = (b'{"', b"{\n", b"[{")  # of JSON
_PIECES: Final = (b'\r\n{"', b"\r\nda", b"\r\nev")  # what an answer in chunks says behind a length of 1 to 4 digits
_V4: Final = "((tcp[12] & 0xf0) >> 2)"  # where a TCP payload begins, from the TCP head
_V6: Final = "(40 + ((ip6[52] & 0xf0) >> 2))"  # the same from the IPv6 head; libpcap's tcp[] knows IPv4 only
_SHORT: Final = 9  # bytes of payload that what tells a beginning reads
_ALERT: Final = 7  # bytes of a TLS alert
_TLS_PORTS: Final = (443, 465, 636, 853, 993, 995, 8443, 9443)
_STRIDE: Final = 34  # bytes between places at which 4 bytes tell whether a segment is legible
_LEGIBLE: Final = ((8, 14), (16, 23))  # so many places have at most so many bytes above 127; 1 of 70 of ciphertext does
_SAMPLED: Final = 16 * _STRIDE  # bytes
_TUNNELS: Final = (4789, 8472, 6081, 2152, 4754, 3544, 5247)  # VXLAN twice, Geneve, GTP-U, GRE, Teredo, CAPWAP
_NAMES: Final = (53, 5353, 5355, 67, 68, 546, 547, 137, 1900)  # DNS, mDNS, LLMNR, DHCP, DHCPv6, NetBIOS, SSDP
_ETHERTYPES: Final = ("0x8100", "0x88a8", "0x9100", "0x8864", "0x8847", "0x8848")  # VLAN thrice, PPPoE, MPLS twice
_QUIC_BYTES: Final = 700  # a first packet fills its datagram to 1,200 bytes; shorter long headers follow
_UDP_BYTES: Final = 20  # with its head; shorter datagrams begin nothing, and have not the bytes that are asked for


def expression(linktype: int, ports: Iterable[int] = (), *, lean: bool = False, records: bool = False) -> str:
    """For `ETHERNET` or `RAW_IP`. `ports`: TCP ports of which every payload towards them passes.

    `records`: segments that begin with a TLS record of application data pass as well, for what looks at their rhythm.
    `lean`: a third of the instructions, for kernels that allow a socket no more (net.core.optmem_max was 20,480 before
    Linux 6.7): a certificate's later segments and the chunks of an answer do not pass.
    """
    terms = [*_tcp(ports, lean=lean, records=records), *_udp(), "(ip and ip[6:2] & 0x3fff != 0)"]
    terms += [f"ip proto {number}" for number in (4, 41, 47)]
    # Behind an extension head nothing has a fixed place: all of these pass, there are few.
    terms += [f"ip6[6] = {number}" for number in (0, 4, 41, 43, 44, 47, 51, 60)]
    if linktype == ETHERNET:
        terms += [f"ether proto {number}" for number in _ETHERTYPES]
    return " or ".join(f"({term})" for term in terms)


def _tcp(ports: Iterable[int], *, lean: bool, records: bool) -> Iterator[str]:
    four = f"(ip[2:2] - ((ip[0] & 0xf) << 2) - {_V4})", "tcp[0:2]", "tcp[2:2]"
    six = f"(ip6[4:2] + 40 - {_V6})", "ip6[40:2]", "ip6[42:2]"
    some4 = _Payload("tcp", _V4, *four, lean, records).passes(ports)
    some6 = _Payload("ip6", _V6, *six, lean, records).passes(ports)
    yield f"ip and tcp and (tcp[13] & 7 != 0 or ({some4}))"
    yield f"ip6 and ip6[6] = 6 and (ip6[53] & 7 != 0 or ({some6}))"


@dataclass(frozen=True)
class _Payload:
    """Of a TCP segment: the head from which it is addressed, where it begins, its bytes, the ports it has."""

    base: str
    start: str
    size: str
    of: str
    to: str
    lean: bool
    records: bool

    def at(self, place: int, width: int = 1) -> str:
        """Bytes of it as a number."""
        return f"{self.base}[{self.start} + {place}:{width}]"

    def passes(self, ports: Iterable[int]) -> str:
        """A read beyond a packet's end makes the kernel drop it, so that short ones are asked about first."""
        towards = self._towards(ports)
        onwards = f"({towards} and not ({self.at(0, 2)} = 0x1703 and {self.at(2)} <= 4))"
        alert = f"({self.size} = {_ALERT} and {self.at(0, 2)} = 0x1503)"
        short = f"({self.size} < {_SHORT} and ({towards} or port 53 or {alert}))"
        begins = " or ".join([self._record(), onwards, "port 53", *self._begins()])
        return f"{self.size} != 0 and ({short} or ({self.size} >= {_SHORT} and ({begins})))"

    def _towards(self, ports: Iterable[int]) -> str:
        """Towards the lower port, or one of ours: that is where clients send."""
        ours = "".join(f" or {self.to} = {port}" for port in sorted(set(ports)))
        return f"({self.to} < {self.of}{ours})"

    def _record(self) -> str:
        """A TLS handshake record, also behind a change of cipher spec, or an alert; of data where that is asked for."""
        first = self.at(0, 2)
        data = f"{first} = 0x1703 or " if self.records else ""
        return f"{data}{first} = 0x1603 or {first} = 0x1503 or ({first} = 0x1403 and {self.at(6)} = 0x16)"

    def _begins(self) -> Iterator[str]:
        """The first word of a head, JSON or an event, also as a chunk; a certificate; HTTP/2's server."""
        first = self.at(0)
        words = [f"{self.at(0, 4)} = 0x{word.hex()}" for word in _WORDS]
        pieces = [] if self.lean else [f"{self.at(at, 4)} = 0x{piece.hex()}" for at in range(1, 5) for piece in _PIECES]
        yield f"({first} >= 0x30 and {first} <= 0x66 and ({' or '.join(words + pieces)}))"  # most data is none of these
        yield from (f"{self.at(0, 2)} = 0x{opening.hex()}" for opening in _OPENINGS)
        if self.lean:
            return
        yield self._legible()
        stream = f"{self.at(5)} = 0 and ({self.at(3)} = 4 or {self.at(5, 4)} != 0)"  # all frames but SETTINGS have one
        yield f"({first} = 0 and {self.at(3)} <= 4 and {self.at(4)} & 0xd2 = 0 and {stream})"

    def _legible(self) -> str:
        """From a port of TLS, no record of application data, and short, or with few bytes above 127."""
        from_tls = " or ".join(f"{self.of} = {port}" for port in _TLS_PORTS)
        few = " and ".join(f"{self._high(samples)} <= {most}" for samples, most in _LEGIBLE)
        long = f"({self.size} >= {_SAMPLED} and {few})"
        return f"(({from_tls}) and {self.at(0, 2)} != 0x1703 and ({self.size} < {_SAMPLED} or {long}))"

    def _high(self, samples: int) -> str:
        """How many of 4 bytes at so many places have their highest bit set."""
        bits = " + ".join(f"(({self.at(number * _STRIDE, 4)} >> 7) & 0x01010101)" for number in range(samples))
        return f"((({bits}) * 0x01010101) >> 24)"


def _udp() -> list[str]:
    ports = " or ".join(f"udp port {port}" for port in (*_NAMES, *_TUNNELS))
    four, six = _datagram("udp", 0), _datagram("ip6", 40)
    return [ports, f"ip and udp and {four}", f"ip6 and ip6[6] = 17 and {six}"]


def _datagram(base: str, head: int) -> str:
    """A long QUIC head that opens a connection, or one of Google's before it; a Retry; a DTLS handshake or alert."""
    size, first = f"{base}[{head + 4}:2]", f"{base}[{head + 8}]"
    google = f"{base}[{head + 17}:2] = 0x5130"
    quic = f"({size} >= {_QUIC_BYTES} and ({first} & 0x80 != 0 or {google}))"
    retry = f"({first} & 0xf0 = 0xf0 and {base}[{head + 9}:4] = 1)"
    dtls = f"{base}[{head + 8}:2] = 0x16fe or {base}[{head + 8}:2] = 0x15fe"
    return f"({size} >= {_UDP_BYTES} and ({quic} or {retry} or {dtls}))"


def built_in(linktype: int, *, lean: bool = False) -> bytes | None:
    """The compiled program without further ports: 8 bytes per instruction, little-endian; None: there is none."""
    packed = PROGRAMS.get((linktype, lean))
    return None if packed is None else zlib.decompress(base64.b85decode(packed))


def packed(program: bytes) -> str:
    """A program as it stands in `PROGRAMS`."""
    return base64.b85encode(zlib.compress(program, 9)).decode()


PROGRAMS: Final[dict[tuple[int, bool], str]] = {
    (ETHERNET, False): (  # 1459 instructions
        "c-qBUeP~uy7=P}$AMd+&?|j|d-J~Sv>#UjS*3`AuoYQS>>%&cbm#JuzwkZ)pAWJaFDC6~yi27^Lza=3=NF<~Z1VR58VIh4fA`&8_ArT@LvwO~Y"
        "Zugwy{o1>ECtS{c=bm$Z&-2`So^zkyYXbmeoy!IdAPrzTe}fLt<TSO|ZvpS0AOH<cTkTvuV8Gp_0H>V47dY3Tb3MrVK}+HIPfR|3p>sJ?of&*x"
        "I=<jsIp-R|dvuON55qWa3Gjae`$e7yaQ;o_IwZ``;{3EQ-v;U!x92x!;Ccs^A>Jza0~+;*_Fp8?d|6ySg>4^>r+j)1U+0*K*yi|cjx&07^!hXg"
        "mJiRMz*B>M95%i6`h<8_2zI3~-ox0x0T!|KO7~L(y_WMIFyr|{Li}0b_+y|ydli3Nf7j#vU8d)!*uTS!?}y9l%-z+*_;<os3GwI@?5ivE^in&X"
        "#^+wxJ}^jex9Q#=Vt6y+?oB;?6n7%-d9H^Jg$~61g~0)e+YxWsGSEeF8{)3QCbnLyi#Kg6P~3ueuux#@uXFkPx3Tffi1!`ZH$rg};)A2(qZF@+"
        "`8>6Vc;t^{D(HIkF5d{pdBo$R9M{d_{qf_gQTVDAzN(mfdQ85w!e=RbMoc~<Cf^-H=DTgke7B6*<*)n^zMuZYbu)-35g*yj@eRXopQhogM%xrz"
        "V66pj5ZanBq|?@btE|=G8fyvsQ^)hkwR*npeyzm3i}~m!O+I(5h;t`{dC^kNolMMgX93R72=nPVQ%ATx-x{Uol|$G^$7{|%g7@RRPx%?FE1tg~"
        "%!_;eQoimP@_}$(i+pkY8%x-~V#5BNOxVBk3HvuS2maOLeL8+IJIAlE`E$A7$bH&xZr&kE{4)1xzY!r%iG1Wf?YG(bS4`NylL`BGK4Jf+683MQ"
        "maKoxTC)BX683LAVgDu)_U}x>{#{Dgzv(&f@80uHV>%7}&U{^;`MD?P38&+p+j?jn{}~%oYQ5vG(*qyFk1^LV!~ObbF8s0uec~Ctbi2HIt_ZF!"
        ")v1d*R8G>>L_H_1=s6kT`)dQ2x!8Iwdboblto!RHjk;Vnl}FS~uAWq`)J?gVb(4<sbFyAHO7D5`c=;ZkafWr_ZdZR>#Oh7hSt+f*<DPh{@yhaf"
        "+Kp<CGl(Y<rxADIcnfhiVgqp=>p_BeIq~#XijU*?X~OZVDUSa|{ACr#cMvaL#_?^$-(dZF3-JNebN@#CA<q8`@h=q|-$eW-`ZGoR-;YTm$KeK%"
        "<8YnGarlGCakxh0I9w%i9Ig;K4wscU{I0~|S0xTVD{;7}#Nj6;4i}U-{Gi0)dyGRB*9ohtd25{`{5`Be-S{Zl`yGy7ig9b&iuJ!R-hFSK`}$4H"
        "2emj}!*#yKb!xDG8ujF}Xx}ux&tIwf^+w)*nuz+nm$$ya`705hLfnY>bK<pBkGcFV$0u;TYUTHUG3@VBbpI1*R~6>L2Hc}%m`^r`=qP~W#r^E+"
        "D`f$?{*a>UH<NH46Zd(GqSwDqWWD}9j#E^xSM753`4r|qKVAM9#-SCt7vLH#LY^AN{tf7TnB9hCx2L}!CjRz`zl-?k?5|1BmB2f~^L6~NDg}GR"
        "Jn)L(m)O5QBJKq3XyN;)z;*ZStgh@7cw8NQ50Q2B-9*;WcM@4g-$7&@eTc|9`gS7g=v#@bqYn^SM}MBkI{LFj*3tWktfTi5Sx4^)crKdoT>SLi"
        "4kGKj?L^jh+alr&5dJ=B0lbY0?`nm2Rg8V*$E)LgD}c97;eANqT@t~Y3E(w^{prVBsqp3$-iip`oRUXe-P|IwZf+1+Hz!2gSF_j4hczXiVP4py"
        "#m}drUOlCS`&};VS3kWh7w|mt!g~@&=gax%m|=ER1n_nXeuwdD0eYqu!D|KZj^X`O%sNl=sbizwKR@1L%=%IfsAu&E-gE%(NxWYc!R!7`uPeOS"
        "2wp9K_q=evgz=iln^kyCC@sHC`Q#TrUU$Elp>_OqHZCf^hV8quh<%rfsc)3|=o?{nr6TrSI)b-6K*uSE($2XtpL5QS*AVJgk=KaeEsNN9nF!tr"
        ";s3daycH1r{S>zE^ax%{`2QawuLaThK5XA*BY1Pd@2gowCy4sq4cm7~pCeSyo{w{+S(~48q@c~uIWn%z&p9%o&CfY<Ml1asaqG%3UOj;KlIHER"
        "Fy53<r;5C(2;OV}@3iLavpBymr$Wz7n5d0$J`H-`#{&>ir{tu1xj*teFeB;@OVYJBGF`ir{9_8=v4Y;P9!kukx?sPz-oZ$J%OmWQ>)K@_?$}l#"
        "|B5<@tYgDo*Pj4g!jN@|7g+#2J>rG`v8q3nk{85$o|W|{D-|Q3dv#eCP+iIM3-Yob8=2iUbO6;?Z6^|wtZirdnhj5}?<pJFAkXT<Ct*2jTj4nC"
        "e*&mZYCEe@ebjbVqq?XK>wxN^Hmn7zgWAvxAF}(81Jylk$0DkCdhuI>cC1D_9z#1;p&gH+9V^j}2DIZ5wBup4V+Gn#k9I6aJMw79GPI)(?O4j}"
        "5aN?_<I~3Vq9v%m8t1Ss?_m3BF&xEly=-0$P~FwNFX*j=wod8nM4IAC_FNlqobBv-s<Ya#AV>988+W1YJavP$<*<^q87C67EpsBn>-R?B_4``Z"
        "TB&y6^*g-9>-SHKyncrd`1?Fk<nMEDk=N^eMgFebz3Y7g{0CZ^b}|"
    ),
    (ETHERNET, True): (  # 428 instructions
        "c-o~_OKe+36g|&&ZO4gi5<E@?l@ccuTqwna#DtJ<ohYt^8dF?U34~fmq5`Fb5_MCdQt?p`E7-6DmTapEsYMm28^ne}`Ii6xQwmZf_6c)m&Wq<c"
        "X&l<Bqnq>Iojd2=x$j)(0kr6)fCa>Xg8sYR;*(Kr^Ll0Unm`0g9l#0wcS^5{Ue}xF@M79-(Cbal`d_10NUsQNJn^sUmDX#T?_`fY4twdh3HD!z"
        "&)svb<NgJ`=A8X4+#h%LE1WmB4>;5m;D2rf|JCBQFiwoNOn+SuFPyb`KIaiDi;r8J2xl6{mt3Q(oKtbm$+DhDyjr}nQ`e-!E5^F+<?|t2YvNsb"
        "o*u&O_WW6Ieffme$Y-<8C&GLltjovGw~z1lc(pv;=exc2=i#5L_jVP``8mv9K|Mwtex22cN#QZhd#~O%RS~@1^WX0_c$9d2Y@#f9n0VrziE+V$"
        "#5<~$DZvB8J9kc%1osn{s$(Wz(Z^%Es)BooE7hur-{YUZW0&zS5bvAYH!XM@@xhrRGlI8zSJ(etN9}!dGj4)7XYs>FAF#N?bHBTE;Jb7CI9}Js"
        "3Fmtr(tQZtziQAot(WPWRGl6*H_#*hJ8G`eqx3rUD9ruofF5Ba7SN%gtJI-?`$Tv2|K8R>+@2M6w*LRfx1jCcxR?=p373rh3nlaXBF2sV6I~&("
        "f1umg-|>=p{u>U&#Quu6+r<8YjXAMD<7~UwpRhkJ_D8&G-v59LNwMGKSjN4VZ^`2u^7xuOz9Nqc<nbkWd_f+clgDS|@hN$HLLTSI<74vph&;}b"
        "$A`;2+N>@lGuB4Vglzq@rhXsbS=Oz?ocBHo_txI~_oM3`TA)7IIeFG}YMFit?_n`3_FXJ0_kPY`X~dnc?-=b=IE^jFo;rP-jep|17p-5$;=@t)"
        "ZOOzr3BRA(sK0skOp1Qn*XU2s-|a8IZ&QK3eZ-%mV@(a>CYXQG?0W-YlmF{rpGIXa)}QOo!IksxHB(3N?dKU`;v)SwkZ;)NgpIfszoq~`ye#u="
        "H9o$-7nol!EdP$N_YuPLoRd)-FVgDpQ#fY&+~=?GjKOR1i}Adot#{hat(2KtqswvUAah9JX~_IhI1HIP3Qs}ijlz?VIiqk0GG7!9LgtFX6OehL"
        "Z~!t#6ds4n4~54db3@@#$h=V451A9SI?Y1#USS3aW2bYX@9w=M>+U7^I|L8mf7NYIUES_q#`S&fHK=FwGJPH;KQE}y(O83c&4K<YnZ9<u&#qt|"
        "Bh<NJ>f8`@Zjd^6H+61+I(HX!uAe%0Cv~n!o$I5{^-|~Vpw9JB=WeIY6^zc+>bH$NZY7Vc<Z%mm+)N%@$Rkf4H<8DU<guANZXl0t^5`Ou9C>t-"
        "M~C6z)F<uNXTbLNCRcyOZ`kPCMx(#tH)-}|jsE)Y>-D!&uMvY=&3)$Sr*s!u{Y|A8js7Hg&n?v3X6kK1S3+!)u8i0?tp3Jyg~di=gT`vLIW9JW"
        "x8}ua)p^DC^Ypy!=gE2dyQ4gBdu(Z`)`R~6a^n$6"
    ),
    (RAW_IP, False): (  # 1456 instructions
        "c-qBUU2GLa6h1S%d;iOY$`(X~Qa}n+sD&aJkk+<BqtZfeMIdU4Z6(q8piN&e0TUC;D^Dc8Xkuc5Ax0B4K^`<d88HS8@ee}?A&8iU5JHTS;?B%j"
        "cV^h#+1{3IlbgvmJ3HSwXLruI=eunN@mKLa*S(Jm1lqjOVUrd>vp3{%K7;eeC_tk(GTa3=+*u6p3GUPDeQNkTkSwl$-x2F6eryo?`n+ZDGl<vN"
        "Jvr|)fa@0GI*Ri$Pf4<SM7qC(_vfVhUC$msdw%s6wt6s+c&FkI5ath?KS#}cCA^-+al6E4)ro!HauB-$9}>7=%{A|Dqg^^ruf$V_evCN5e%qyZ"
        "*GP6{G2R0>zXk5&^VR!Fz?vuc2c2a8&=`M~d;Zwy&tA<R-``fe{;U)DDbM#g$^Gzoy?ggIbN)RrTtz(EB>U<sUE7!)PvCQ}^!4;I+~)Y#`#F9b"
        "ac6tic7``2?s~ebli|k@cUO9Q7~Y6@$Bv#3hBqMYsI>F_*88}9SB2pg#J!aY-@n=C@7~4NuR*+jWIua!(1iH4q0u3RS0#L&#1M~$gM}KlU%k&a"
        "DDWc0qeB8OoWlDP##gKH&DQv4CFHXb^4S_6)%YMGpPi8JmaX#Lv{k+v_SEuM!$EPLuHwE0#8(g>+$Zp5JM5h1;0waWES%+I2HvD>bfDj2qYW4N"
        "Xu%~uQuw!C<daLw#J(?+D)TPpqZf%<cQS^$Q^35K(dteiVcnU9_ZOu5S)Hk;!k#bf>hsD7&aw5x`=dCY<b7(G#J+O<1?j$|^_TH=PLdC#dM)!M"
        "^=~+3|He}G?|91ook`ih@oDgH8D3}W=kq##fuG0eJa6<Koi{)4P%VCidvxBYl&54qdXLWARQ(%E*}vl{`*$W~|Hf1HZ#GHSzZR0Nf0dN|8%^22"
        "V=4Q0DrNu9r|jRvH28OSy(2IW``<UL$=5wePxvfp-L_);_!E3hwf&C2PZxXuKP248iTCT>>F~>y^ob{}>g@{pxiRo{sm+$GLzNX>P1bXAnx0dT"
        "zJF~IG8f;k#fsNY)>z^C$!bgOn~H|M$=8#LTHjPo*f&{te_7S*hS;?r9xvUcGfuKE+~@0WW!`VXo;k|?yYGs(9<Q9Zk6fKAa0c-;#5Up%Tu%{q"
        "N_r~qtFa%PpaL&Nd>io*T>lT^SF-~Djre4(z_$?3Un1~L#9v|mdjs)-oWR!+AI1B}5&v8x@Lz}zp+A4p@b}{iRpW4(s&TkP)i_+FY8)<5H4eXP"
        "arjM(!!KGKe$wJ_PK(2jS{%-5arj<~!*^O7zSZLJ4aUJ1I$`ZxF=kFv@gC+-H$IH^evRwrVBDH_V*f9#5A=4hu46vP<9dSooWgx_I6r}U^5<yZ"
        "1isHFb^Us)nE#Z@`hAeMKF0f3B0hn5E#i-8FgAz$J}`jmKE&%8?e~FUoNv{B2Y3(d^mD$SWAd0^*2m~7fa~S+?dvW12%W!Q)A?IyJdcCtzERWf"
        "k5E;=e@Eaf)9-b=e7!!4`7lhUKZJ2uh1|1nk47nP4dDD1^ghmRTd_OP<6o!Y_Q}7Kgz4_DD9@F`+tTy({K(9a?3MGvpyZc4zuypdigq-LccvnA"
        "_&(lewn;p`uD+Y9x_UoVb@e`~>gqeGs;l=<Rabw8s=E49RMpkHsj91QqpGgnMO9tBgQ~iEJ5_b{tr5?KNY5oq@7+jMy>|mu_1^V{I0MAL4<v$j"
        "rN+BL<6WNMT!rykcs&!ryFlZeukqFycncA{wsbzjc#9fuUgOOgc*|NI@pW{ds*XNER2}^`k<ZoC_45Iu<ul9+&y(c&RMxNmAn|?|rSlr5pOqt?"
        "M}zd9B+>oKA-ZOqT{RKBos!>iyd*;3BnIA01n)3j&nE2qNJw96djG<B#}f9NRz!bm8F+IMyvOl+-oWesZf|M4B?B*s;5{SNmpEPrc}p6v1J&i1"
        "@sRuy#_OLqC$_J@!q=JdYuvfZ8_r!hq27@X(L3Vo${NmH&cIuY&~=JXU7Z^asdHhxw$#tcytaWiZ#Z`a18<G=e=jm`4Vb?_#hp9Lz?+f&A4KNO"
        "fH~jCox75Ow=DhMTGDg_)A!xDbC-4<Vfyw=)R7i4Gj*gwW~Ppel9{O^$H>gokyE7lI^y@0alBRp?|BlOvpC+Y)The4Sp#n=f_H)h=Pb$Z&Dq$x"
        "2}kE8s87AY_v0Qg^eJVfU+y;61IN&RWE7oyE7!TJ$v=+tJyy~iTA|83YDxA7`yDX)TQu0G_O(l1@Yk-A@~^CesJb>h=lc_(OW3L|v5N;F&?9>P"
        "$GZMhO<s`mc}dluGT8+AJm|}|0MnHMzo0?&V-vUAg^j@URu>+HYkb@Q9elo(f1h$awg%oGu7jm~Y=I+u{t;lhsp~N?z0`%Zz;sd<)&SE-U3eIn"
        "F6u%P9Oc(n1JglWFKSHx4C2>_cC0`<9zr{oqaDl8j-_Zv1KP0!?WjjP7NZ@D(2fVuj)iE)18BzrwBvqmhZLW(AD<?n7uBI2YoErxyqTY;S~!gB"
        "Hu3vr1Jhys>yrLT+32;-UZfZ<^5@!!>s+teFx}Pb$MZ~Yb+PiXe%uDpkFNyLkFN&Nk2m4_xfb8gb=ZGzMj!6n32OR(JRD>f"
    ),
    (RAW_IP, True): (  # 425 instructions
        "c-o~_-)~e!6#nk+?fz=FYq7JafNdAiwN|>6E`p)brrlT)LYI0?NKCX;s;GzwAsRzWeb5IV^+^-|1t0uTV-z1Wz9@(SqQu|7mG~fkLF=5E@9xgM"
        "g>HqWlap`mnKR#<IrE*Z!2Sh#T+%~nGpcPxkF3RSr?f5WA+`n|OFh7wTvyj4Z|32pwQbYmb<g@IIDEzn_bKRckl$oYMvoc#t*2jt^X@(!4$ouG"
        "`VOwoIO`S87+VFN%0~E~UdI1&aXa`uO*`3$3olu;=bZP5mBr6loJ)4Mj_;FCe4o0rPm%dN>NVp{I(f}Iywc3;4ChC1y_vuIb9zXwwfoO{t2<9("
        "h4XCE=ka--{ju|e=dJR4;5E<b&hPV9e~xfpy|z>_`}g6ItH{Tw!>>1}-77psdGEn}Q+2`jc;WZ^4c<vSF;<%td^d4zPi;c*cH-SZeM;~);=OyP"
        "#sv=(j|XEW-cX3grUSth;(8F6_?yH1cTXGt0pbJ44jdHRPkdzV={dn=@7n6Wbll!Y598*DH&{G-`~i#CdG5O_MBbfS$C+3i=bZOEqU#X6|E?Bw"
        "lfOdU<YIc%-a?PUchnx!qrxinD9QDOh#p~AI-)}(*Qi7PRz-L8|8Q3%?$EM4TmOsl7PS2v7rVv&g@26w6XRz74@?;QJ4y+$zhR@Xzv3k`{|gSM"
        "#r}+iHDZ6l4SiyN#7Aqz{(wUnvESnr^Zh$q$cz0J^WE;fTp*8c$m47BI8Pp5k;ggmI7=R9$m2`$_<}r6lgH=eaf&=nlE-J{@o9sHZ*?KxZLNPI"
        "Ve_9c`TGRVGjCmHzmHMb*Zl7E$;2h<gYA<ano6CdpTY-NEQ);}i^{#9_pr3f?XT||J_-xC-Pm^)24nTf{ob14e9GdZDdMV$`v$`L@;Snq@1)=G"
        "3iS&5yY&{<ac88C9}abOEZZV(j`=8?b*~|5^6@HIw<+n9@qNR-xV#^}j3Ryexkr+?O#e3WO&Z;>5m(}ujqt;Z((f+EC-nCs{cOJRyT;x}0xz&{"
        "@_zg-ho8c;=AJ_S3eOn462CO}E8Bb*Y#-}1eQdN5_XwmfDLe`3M+%1_eMsR6NdHlI9MX3b9)t87g+q`&qwpxCzbG9|`ijCFq@O6QgwjXko~3^%"
        "%tHD`Gfy)R{a1JhIb$E}6TNruB_F$&=<gEj$N$RPbS!W629DRc*CL;(E7W<4{Jf}Mr_wFrwMXh_#MHI(K1<Pa?4a&#r|#WF-P=apt5Wxdse4<g"
        "dqdQ{E!4dVb#IWmx0$+kCv|Utx_1Y4uixliGk<0BxQ#q+C67(yaSM5DB##n#^pQs|dGwIS&E&CxJl2!PI`X)QJZ>~Roct8R{0!LoF1mVLVeV^K"
        "WAs@3c9?b789ffa$Mv{Zk1YnboBJ%&PwCfg^*EDVH2Ra~J*TL@ZPZ_1XHIO=@RIr*WPNVs?~0u~!_rc-rv3vn*#&?"
    ),
}
