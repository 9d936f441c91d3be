"""Greetings and other phrases of a word or two: too short for a detector, and what people type first."""

from typing import Final

import regex

# By language, phrases with commas between them, in small letters. A phrase of several languages is in
# each of their lines.
_PHRASES: Final = {
    "en": "hello, hello world, hello there, hi, hi there, hey, good morning, good afternoon, good evening, good "
    "night, good day, goodbye, good bye, bye, bye bye, see you, see you later, see you soon, see you "
    "tomorrow, thank you, thank you very much, thank you so much, thanks, thanks a lot, many thanks, please, "
    "yes, yes please, no thanks, welcome, you're welcome, you are welcome, how are you, how do you do, what's "
    "up, nice to meet you, sorry, i'm sorry, excuse me, cheers, congratulations, happy birthday, merry "
    "christmas, happy new year, good luck, have a nice day, i love you, help, okay, of course, my friend, "
    "well done, take care, what is your name",
    "fr": "bonjour, bonjour le monde, bonjour à tous, bonsoir, salut, salut tout le monde, coucou, bonne nuit, "
    "bonne journée, bonne soirée, bon matin, au revoir, à bientôt, à demain, à plus tard, merci, merci "
    "beaucoup, merci bien, mille mercis, s'il vous plaît, s'il te plaît, oui, non, non merci, oui merci, "
    "bienvenue, de rien, je vous en prie, comment ça va, comment vas-tu, comment allez-vous, ça va, ça va "
    "bien, enchanté, enchantée, pardon, désolé, désolée, excusez-moi, excuse-moi, félicitations, joyeux "
    "anniversaire, bon anniversaire, joyeux noël, bonne année, bonne chance, je t'aime, d'accord, bien sûr, "
    "bon appétit, bon voyage, au secours, bonjour madame, bonjour monsieur, mon ami, à tout à l'heure, santé, "
    "bravo",
    "de": "hallo, hallo welt, hallo zusammen, hi, guten morgen, guten tag, guten abend, gute nacht, grüß gott, "
    "moin, servus, auf wiedersehen, auf wiederhören, tschüss, tschüs, bis bald, bis später, bis morgen, "
    "danke, danke schön, dankeschön, danke sehr, vielen dank, herzlichen dank, bitte, bitte schön, bitte "
    "sehr, ja, ja bitte, nein, nein danke, willkommen, herzlich willkommen, gern geschehen, wie geht's, wie "
    "geht es dir, wie geht es ihnen, freut mich, entschuldigung, tut mir leid, es tut mir leid, verzeihung, "
    "herzlichen glückwunsch, alles gute zum geburtstag, frohe weihnachten, frohes neues jahr, viel glück, "
    "viel spaß, ich liebe dich, schönen tag, schönes wochenende, guten appetit, gute besserung, gute reise, "
    "hilfe, natürlich, prost, mein freund, liebe grüße, mit freundlichen grüßen, na klar, genau",
    "es": "hola, hola mundo, hola a todos, hola amigo, hola amigos, hola qué tal, buenos días, buen día, buenas "
    "tardes, buenas noches, buenas, adiós, hasta luego, hasta mañana, hasta pronto, hasta la vista, nos "
    "vemos, chao, gracias, muchas gracias, mil gracias, por favor, sí, sí por favor, no gracias, bienvenido, "
    "bienvenida, bienvenidos, de nada, cómo estás, cómo está usted, cómo te va, qué tal, qué pasa, mucho "
    "gusto, encantado, encantada, perdón, perdone, lo siento, disculpe, disculpa, felicidades, enhorabuena, "
    "feliz cumpleaños, feliz navidad, feliz año nuevo, buena suerte, te quiero, te amo, vale, claro, por "
    "supuesto, buen viaje, buen provecho, ayuda, socorro, salud, mi amigo, cómo te llamas",
    "it": "ciao, ciao mondo, ciao a tutti, buongiorno, buon giorno, buonasera, buona sera, buonanotte, buona notte, "
    "buona giornata, salve, arrivederci, a presto, a domani, ci vediamo, grazie, grazie mille, molte grazie, "
    "per favore, per piacere, sì, no grazie, benvenuto, benvenuta, benvenuti, prego, come stai, come sta, "
    "come va, piacere, mi dispiace, scusa, scusi, auguri, tanti auguri, buon compleanno, buon natale, buona "
    "fortuna, ti amo, va bene, certo, aiuto",
    "pt": "olá, olá mundo, oi, bom dia, boa tarde, boa noite, tchau, adeus, até logo, até amanhã, até breve, "
    "obrigado, obrigada, muito obrigado, muito obrigada, por favor, sim, não, não obrigado, bem-vindo, "
    "bem-vinda, de nada, como estás, como está, como vai, tudo bem, prazer, desculpe, desculpa, sinto muito, "
    "parabéns, feliz aniversário, feliz natal, feliz ano novo, boa sorte, eu te amo, claro, ajuda, socorro",
    "nl": "hallo, hallo wereld, hoi, dag, goedemorgen, goedemiddag, goedenavond, goedenacht, welterusten, "
    "goedendag, tot ziens, tot straks, tot morgen, doei, dank je, dank je wel, dank u, dank u wel, bedankt, "
    "dankjewel, alstublieft, alsjeblieft, ja, nee, welkom, graag gedaan, hoe gaat het, hoe gaat het met je, "
    "sorry, het spijt me, gefeliciteerd, veel succes, ik hou van je, natuurlijk, prettige dag, fijne dag, eet "
    "smakelijk",
    "sv": "hej, hej hej, hej världen, god morgon, god dag, god kväll, god natt, hej då, vi ses, tack, tack så "
    "mycket, snälla, ja tack, nej, nej tack, välkommen, varsågod, hur mår du, hur är läget, förlåt, ursäkta, "
    "grattis, lycka till, jag älskar dig",
    "da": "hej, hej hej, hej verden, godmorgen, god morgen, goddag, god aften, godnat, farvel, vi ses, tak, mange "
    "tak, tusind tak, ja tak, nej, nej tak, velkommen, værsgo, hvordan har du det, hvordan går det, undskyld, "
    "tillykke, held og lykke, jeg elsker dig",
    "no": "hei, hei verden, god morgen, god dag, god kveld, god natt, ha det, ha det bra, vi sees, takk, tusen "
    "takk, mange takk, ja takk, nei, nei takk, velkommen, vær så god, hvordan har du det, hvordan går det, "
    "beklager, unnskyld, gratulerer, lykke til, jeg elsker deg",
    "fi": "hei, moi, terve, hyvää huomenta, huomenta, hyvää päivää, hyvää iltaa, hyvää yötä, näkemiin, hei hei, moi "
    "moi, kiitos, kiitos paljon, ole hyvä, kyllä, ei, ei kiitos, tervetuloa, mitä kuuluu, anteeksi, onnea, "
    "onneksi olkoon",
    "pl": "cześć, witaj, witam, witaj świecie, dzień dobry, dobry wieczór, dobranoc, do widzenia, do zobaczenia, "
    "pa, dziękuję, dziękuję bardzo, dzięki, proszę, tak, nie, nie dziękuję, jak się masz, co słychać, "
    "przepraszam, gratulacje, wszystkiego najlepszego, powodzenia, kocham cię, na zdrowie",
    "cs": "ahoj, ahoj světe, čau, dobrý den, dobré ráno, dobrý večer, dobrou noc, na shledanou, nashledanou, "
    "děkuji, děkuji vám, díky, moc děkuji, prosím, ano, ne, vítejte, jak se máš, jak se máte, promiňte, "
    "blahopřeji",
    "sk": "ahoj, ahoj svet, dobrý deň, dobré ráno, dobrý večer, dobrú noc, dovidenia, do videnia, ďakujem, vďaka, "
    "prosím, áno, nie, vitajte, ako sa máš, ako sa máte, prepáčte, gratulujem",
    "sl": "živjo, zdravo, dobro jutro, dober dan, dober večer, lahko noč, nasvidenje, hvala, hvala lepa, prosim, "
    "ja, ne, dobrodošli, kako si, oprostite",
    "hr": "bok, zdravo, dobro jutro, dobar dan, dobra večer, laku noć, doviđenja, hvala, hvala lijepa, molim, da, "
    "ne, dobrodošli, kako si, oprostite, čestitam",
    "hu": "szia, sziasztok, helló, helló világ, jó reggelt, jó napot, jó napot kívánok, jó estét, jó éjszakát, "
    "viszontlátásra, viszlát, köszönöm, köszönöm szépen, kérem, igen, nem, üdvözlöm, hogy vagy, bocsánat, "
    "elnézést",
    "ro": "bună, salut, bună ziua, bună dimineața, bună seara, noapte bună, la revedere, mulțumesc, mulțumesc mult, "
    "vă rog, te rog, da, nu, bine ați venit, ce mai faci, scuze, îmi pare rău, felicitări, la mulți ani",
    "tr": "merhaba, merhaba dünya, selam, günaydın, iyi günler, iyi akşamlar, iyi geceler, hoşça kal, görüşürüz, "
    "teşekkürler, teşekkür ederim, çok teşekkür ederim, sağ ol, lütfen, evet, hayır, hoş geldiniz, hoş "
    "geldin, nasılsın, nasılsınız, özür dilerim, tebrikler, seni seviyorum",
    "et": "tere, tere hommikust, tere päevast, tere õhtust, head ööd, head aega, nägemist, aitäh, tänan, palun, "
    "jah, ei, tere tulemast, kuidas läheb, vabandust",
    "lv": "sveiki, čau, labrīt, labdien, labvakar, ar labunakti, uz redzēšanos, paldies, liels paldies, lūdzu, jā, "
    "nē, laipni lūdzam, kā tev iet, piedod",
    "lt": "labas, sveiki, labas rytas, laba diena, labas vakaras, labanakt, labos nakties, viso gero, iki, ačiū, "
    "dėkoju, prašau, taip, ne, sveiki atvykę, kaip sekasi, atsiprašau",
    "ca": "hola, bon dia, bona tarda, bon vespre, bona nit, adéu, fins aviat, fins demà, gràcies, moltes gràcies, "
    "si us plau, sisplau, benvingut, benvinguda, benvinguts, de res, com estàs, com va, ho sento, perdona",
    "id": "halo, halo dunia, hai, selamat pagi, selamat siang, selamat sore, selamat malam, selamat tinggal, sampai "
    "jumpa, terima kasih, terima kasih banyak, tolong, ya, tidak, selamat datang, sama-sama, apa kabar, maaf, "
    "permisi",
    "ms": "hai, selamat pagi, selamat petang, selamat malam, selamat tinggal, jumpa lagi, terima kasih, tolong, "
    "selamat datang, sama-sama, apa khabar, maaf",
    "vi": "xin chào, chào, chào bạn, chào buổi sáng, tạm biệt, cảm ơn, cảm ơn bạn, cám ơn, làm ơn, vâng, không, "
    "chào mừng, bạn khỏe không, xin lỗi, chúc mừng",
    "sq": "përshëndetje, mirëmëngjes, mirëdita, mirëmbrëma, natën e mirë, mirupafshim, faleminderit, ju lutem, po, "
    "mirë se vini, si jeni",
    "is": "halló, góðan daginn, góðan dag, gott kvöld, góða nótt, bless, takk, takk fyrir, já, nei, velkomin, "
    "velkominn",
    "ru": "привет, привет мир, здравствуйте, здравствуй, доброе утро, добрый день, добрый вечер, спокойной ночи, до "
    "свидания, пока, спасибо, большое спасибо, спасибо большое, пожалуйста, да, нет, добро пожаловать, как "
    "дела, извините, простите, поздравляю, я тебя люблю",
    "uk": "привіт, привіт світ, вітаю, доброго ранку, доброго дня, добрий день, добрий вечір, на добраніч, до "
    "побачення, дякую, дуже дякую, будь ласка, так, ні, ласкаво просимо, як справи, вибачте, я тебе кохаю",
    "bg": "здравей, здравейте, здрасти, добро утро, добър ден, добър вечер, лека нощ, довиждане, благодаря, мерси, "
    "моля, да, не, добре дошли, как си, извинете",
    "sr": "здраво, добро јутро, добар дан, добро вече, лаку ноћ, довиђења, хвала, хвала лепо, молим, да, не, "
    "добродошли",
}  # fmt: skip
_MAX_CHARACTERS: Final = 60
_PUNCTUATION: Final = regex.compile(r"[\p{P}\p{S}\s]+")
_ACCENTS: Final = str.maketrans({"’": "'", "ʼ": "'"})


def _plain(text: str) -> str:
    return _PUNCTUATION.sub(" ", text.translate(_ACCENTS)).strip()


def _index() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, phrases in _PHRASES.items():
        for phrase in phrases.split(","):
            plain = _plain(phrase)
            found[plain] = (*found.get(plain, ()), language)
    return found


_LANGUAGES: Final = _index()


def find_phrase(text: str) -> tuple[str, ...]:
    """The languages of a text that is one of the phrases, whatever its case and punctuation; empty for any other."""
    return _LANGUAGES.get(_plain(text.lower()), ()) if len(text) <= _MAX_CHARACTERS else ()
